package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp writes the Date header from a goroutine that lives as long as the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// It looks after its idle workers until it wakes up, ten seconds after the end.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// patience is how long a test waits for what must happen; it bounds a failure, it is no measurement.
const patience = 10 * time.Second

// accounts is the part of a broker that HTTP requests meet, without any actors.
type accounts struct {
	mu    sync.Mutex
	keys  map[protocol.UserID]string
	err   error // of every call
	panic bool
}

func newAccounts() *accounts { return &accounts{keys: map[protocol.UserID]string{}} }

func (a *accounts) Login(_ context.Context, key []byte) (protocol.UserID, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.panic {
		panic("boom")
	}
	id := protocol.NewUserID(key)
	if a.err == nil {
		a.keys[id] = string(key)
	}
	return id, a.err
}

func (a *accounts) PublicKey(_ context.Context, id protocol.UserID) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if key, ok := a.keys[id]; ok && a.err == nil {
		return []byte(key), nil
	}
	if a.err != nil {
		return nil, a.err
	}
	return nil, &actors.Error{Code: protocol.CodeUserNotFound}
}

func (a *accounts) KeyToProve(ctx context.Context, id protocol.UserID) ([]byte, error) {
	return a.PublicKey(ctx, id)
}

func (a *accounts) Ready(context.Context) error { return a.err }
func (a *accounts) Limits() protocol.Limits     { return protocol.DefaultLimits() }

// ShardFor and Attach are not for requests.
func (a *accounts) ShardFor(protocol.UserID) *actors.Shard { panic("no shards here") }
func (a *accounts) Attach(protocol.UserID, actors.Conn, actors.AttachOptions) *actors.Link {
	panic("no actors here")
}

// fail has every call fail with the code.
func (a *accounts) fail(code protocol.Code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = &actors.Error{Code: code}
}

func testLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))
}

// serve starts a server that ends with the test, and returns its address.
func serve(t *testing.T, broker transport.Broker, opts transport.Options) (*transport.Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, broker, opts, ln), ln.Addr().String()
}

func serveOn(t *testing.T, broker transport.Broker, opts transport.Options, ln net.Listener) *transport.Server {
	t.Helper()
	if opts.Log == nil {
		opts.Log = testLog()
	}
	s, err := transport.New(broker, opts)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

// rawConn is a connection on which a test writes bytes.
type rawConn struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *rawConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return &rawConn{Conn: nc, t: t, r: bufio.NewReader(nc)}
}

func (c *rawConn) send(parts ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(parts, "")); err != nil {
		c.t.Fatal(err)
	}
}

// response is an answer with its body read.
type response struct {
	*http.Response
	body string
}

func (c *rawConn) response(method string) response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading the answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("reading the body: %v", err)
	}
	return response{resp, string(body)}
}

// raw sends one request as it stands and returns the answer.
func raw(t testing.TB, addr, method, rest string) response {
	t.Helper()
	c := dial(t, addr)
	c.send(method, " ", rest)
	return c.response(method)
}

// get requests a target exactly as it is written.
func get(t testing.TB, addr, target string, headers ...string) response {
	t.Helper()
	return do(t, addr, "GET", target, "", headers...)
}

func do(t testing.TB, addr, method, target, body string, headers ...string) response {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(target + " HTTP/1.1\r\nHost: enigma.localhost\r\n")
	if body != "" {
		headers = append(headers, "Content-Type: application/json", "Content-Length: "+itoa(len(body)))
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return raw(t, addr, method, b.String())
}

// want checks an answer's status and body.
func (r response) want(t testing.TB, status int, body string) {
	t.Helper()
	if r.StatusCode != status || r.body != body {
		t.Errorf("got %d %s, want %d %s", r.StatusCode, r.body, status, body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" && body != "" {
		t.Errorf("content type %q", got)
	}
	if got := r.Header.Get("Server"); got != "enigma" {
		t.Errorf("server %q", got)
	}
}

// wantCode checks that an answer is an error with the code, with everything that belongs to one.
func (r response) wantCode(t testing.TB, code protocol.Code) {
	t.Helper()
	r.want(t, code.HTTPStatus(), string(protocol.AppendError(nil, code, nil)))
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("an error may be cached: %q", r.Header.Get("Cache-Control"))
	}
	if status := code.HTTPStatus(); (status == 429 || status == 503) != (r.Header.Get("Retry-After") != "") {
		t.Errorf("status %d with Retry-After %q", status, r.Header.Get("Retry-After"))
	}
}
