package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// endpoint is where a server is.
type endpoint struct {
	base      *url.URL // scheme http or https, with the path prefix if any
	hostname  string   // without port and brackets
	addr      string   // host:port to connect to
	authority string   // what a proof of key possession is bound to
}

func parseServer(serverURL string) (*endpoint, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, fmt.Errorf("enigma: server URL: %w", err)
	}
	port := u.Port()
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "http"
		if port == "" {
			port = "80"
		}
	case "https", "wss":
		u.Scheme = "https"
		if port == "" {
			port = "443"
		}
	default:
		return nil, fmt.Errorf("enigma: server URL: scheme %q is none of http, https, ws, wss", u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return nil, errors.New("enigma: server URL: no host")
	case u.User != nil:
		return nil, errors.New("enigma: server URL: holds credentials; use WithHeader")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("enigma: server URL: must end with its path")
	}
	authority, ok := protocol.Authority(u.Host)
	if !ok {
		return nil, errors.New("enigma: server URL: malformed host")
	}
	if u.Path == "" {
		u.Path = "/" // JoinPath would make a relative path of it
	}
	return &endpoint{
		base:      u,
		hostname:  u.Hostname(),
		addr:      net.JoinHostPort(u.Hostname(), port),
		authority: authority,
	}, nil
}

// webSocket is the URL of a user's WebSocket.
func (e *endpoint) webSocket(userID string) *url.URL {
	u := e.base.JoinPath("ws", userID)
	u.Scheme = "ws"
	if e.base.Scheme == "https" {
		u.Scheme = "wss"
	}
	return u
}

// dial opens the byte stream, with TLS where the URL says so. raw is what carries it: closing raw never blocks, while
// closing a TLS connection may wait for room to say goodbye.
func (e *endpoint) dial(ctx context.Context, cfg *config) (stream, raw net.Conn, err error) {
	raw, err = cfg.dial(ctx, "tcp", e.addr)
	if err != nil {
		return nil, nil, err
	}
	if e.base.Scheme == "http" {
		return raw, raw, nil
	}
	tc := tls.Client(raw, e.tlsConfig(cfg))
	if err := tc.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, err
	}
	return tc, raw, nil
}

func (e *endpoint) tlsConfig(cfg *config) *tls.Config {
	t := cfg.tls.Clone()
	if t == nil {
		t = &tls.Config{}
	}
	if t.ServerName == "" {
		t.ServerName = e.hostname
	}
	// A WebSocket starts as HTTP/1.1; a server must not choose HTTP/2.
	t.NextProtos = []string{"http/1.1"}
	return t
}

// checkID refuses what cannot be a user id before it gets into a path.
func checkID(userID string) error {
	if _, ok := protocol.ParseUserID(userID); !ok {
		return fmt.Errorf("enigma: %q is not a user id (%d characters of a-z2-7)", printable(userID), protocol.UserIDLen)
	}
	return nil
}
