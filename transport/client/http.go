package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

const (
	// maxBody bounds an HTTP answer: the longest key with every byte escaped, and room around it.
	maxBody = 6*protocol.MaxKeyLength + 4096
	// maxPathKey is the longest escaped key that every server takes in a request line.
	maxPathKey = 8192
)

// answer is the JSON of every HTTP answer, good or bad.
type answer struct {
	UserID    string `json:"userId"`
	PublicKey string `json:"publicKey"`
	Error     string `json:"error"`
	Code      string `json:"code"`
}

// Login registers a public key, 1 to 8,192 bytes of UTF-8, and returns the user id that belongs to it. The key is
// stored durably when Login returns. It may be repeated at will: the same key always has the same id. An id that does
// not belong to the key is [ErrKeyMismatch]; what the server refuses is an [*Error].
//
// Safe for concurrent use.
func Login(ctx context.Context, serverURL, publicKey string, opts ...Option) (userID string, err error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return "", err
	}
	e, err := parseServer(serverURL)
	if err != nil {
		return "", err
	}
	return e.login(ctx, cfg, publicKey)
}

// PublicKey asks for the public key of a user. A key that does not hash to the id is [ErrKeyMismatch]: the server lies
// or is broken. An unknown user is [ErrUserNotFound].
//
// Safe for concurrent use.
func PublicKey(ctx context.Context, serverURL, userID string, opts ...Option) (string, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return "", err
	}
	e, err := parseServer(serverURL)
	if err != nil {
		return "", err
	}
	if err := checkID(userID); err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base.JoinPath("connect", userID).String(), nil)
	if err != nil {
		return "", fmt.Errorf("enigma: public key: %w", err)
	}
	a, err := e.do(cfg, req)
	if err != nil {
		return "", fmt.Errorf("enigma: public key: %w", err)
	}
	if protocol.NewUserID([]byte(a.PublicKey)).String() != userID || a.UserID != "" && a.UserID != userID {
		return "", ErrKeyMismatch
	}
	return a.PublicKey, nil
}

func (e *endpoint) login(ctx context.Context, cfg *config, key string) (string, error) {
	if code := protocol.CheckKey([]byte(key)); code != protocol.CodeNone {
		return "", fmt.Errorf("enigma: login: %w", &Error{Code: code.String(), Text: code.Text()})
	}
	a, err := e.postKey(ctx, cfg, key)
	var refused *Error
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusMethodNotAllowed) {
		// A server of the bare specification knows the other form only.
		a, err = e.getKey(ctx, cfg, key, refused)
	}
	if err != nil {
		return "", fmt.Errorf("enigma: login: %w", err)
	}
	id := protocol.NewUserID([]byte(key)).String()
	if a.UserID != id {
		return "", ErrKeyMismatch
	}
	return id, nil
}

// postKey puts the key into a body, where no proxy rewrites it.
func (e *endpoint) postKey(ctx context.Context, cfg *config, key string) (*answer, error) {
	body, err := json.Marshal(map[string]string{"publicKey": key})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base.JoinPath("login").String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return e.do(cfg, req)
}

// getKey puts the key into the path, if it fits, else it returns refused.
func (e *endpoint) getKey(ctx context.Context, cfg *config, key string, refused error) (*answer, error) {
	escaped := escapeKey(key)
	if len(escaped) > maxPathKey {
		return nil, refused
	}
	u := e.base.JoinPath("login")
	prefix := u.EscapedPath()
	u.Path += "/" + key
	u.RawPath = prefix + "/" + escaped
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	return e.do(cfg, req)
}

// escapeKey escapes all but what no HTTP implementation touches; dots too, for a key may be ".." .
func escapeKey(key string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// do sends one request on a connection of its own: nothing is left behind that would have to be closed.
func (e *endpoint) do(cfg *config, req *http.Request) (*answer, error) {
	for k, v := range cfg.header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	hc := &http.Client{
		Transport: &http.Transport{
			DialContext:            cfg.dial,
			TLSClientConfig:        e.tlsConfig(cfg),
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		// The WebSocket handshake follows no redirect either, and the key goes to the server that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, httpError(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("%w: the answer is not the JSON expected", ErrProtocol)
	}
	return &a, nil
}

// readHTTPError reads the answer to a WebSocket handshake that is no upgrade.
func readHTTPError(r io.Reader) *Error {
	resp, err := http.ReadResponse(bufio.NewReader(r), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	return httpError(resp)
}

// httpError reads the error that an answer with another status than the one hoped for stands for.
func httpError(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode, Text: http.StatusText(resp.StatusCode)}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = min(time.Duration(min(s, 3600))*time.Second, maxWait)
	}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		e.Text = "redirected to " + printable(to)
	}
	var a answer
	// What was read before an error may do; if not, the status has to.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if json.Unmarshal(body, &a) == nil && a.Error != "" {
		e.Text, e.Code = printable(a.Error), printable(a.Code)
	}
	return e
}
