package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

// Users of the tests.
var (
	alice = protocol.NewUserID([]byte("alice")).String()
	bob   = protocol.NewUserID([]byte("bob")).String()
	carol = protocol.NewUserID([]byte("carol")).String()
)

const patience = 10 * time.Second

// fake is a server that does what the test says. It accepts WebSockets and hands them out as peers.
type fake struct {
	t     testing.TB
	url   string
	peers chan *peer

	mu       sync.Mutex
	before   func(w http.ResponseWriter, r *http.Request) bool // answers instead of the upgrade if it returns true
	plain    bool                                              // does not know enigma.v1
	mute     bool                                              // reads nothing after the upgrade
	opts     []client.Option                                   // how to reach it
	dialFunc client.DialFunc
	srv      *http.Server
	raws     map[string]net.Conn // by remote address: to cut them
	asked    []string            // request URIs
}

// newFake starts a fake on a real socket.
func newFake(t testing.TB) *fake {
	f := &fake{t: t, peers: make(chan *peer, 64), raws: make(map[string]net.Conn)}
	s := httptest.NewUnstartedServer(f)
	s.Config.ConnState = f.track
	s.Start()
	t.Cleanup(func() { f.cutAll(); s.Close() })
	f.url = s.URL
	return f
}

// newPipeFake starts a fake in memory, for tests in a synctest bubble. stop ends it.
func newPipeFake(t testing.TB) (f *fake, stop func()) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	f = &fake{t: t, peers: make(chan *peer, 64), raws: make(map[string]net.Conn), url: "http://server.test"}
	f.srv = &http.Server{Handler: f, ConnState: f.track}
	f.dialFunc = l.dial
	f.opts = []client.Option{client.WithDialer(l.dial)}
	go f.srv.Serve(l)
	return f, func() { f.cutAll(); f.srv.Close() }
}

func (f *fake) track(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if state == http.StateNew {
		f.raws[c.RemoteAddr().String()] = c
	}
}

func (f *fake) cutAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.raws {
		c.Close()
	}
}

func (f *fake) setBefore(b func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = b
}

func (f *fake) lastAsked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1]
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	before, plain, mute, raw := f.before, f.plain, f.mute, f.raws[r.RemoteAddr]
	f.asked = append(f.asked, r.RequestURI)
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	pongs := new(atomic.Int64)
	opts := &websocket.AcceptOptions{InsecureSkipVerify: true, OnPongReceived: func(context.Context, []byte) { pongs.Add(1) }}
	if !plain {
		opts.Subprotocols = []string{protocol.Subprotocol}
	}
	conn, err := websocket.Accept(w, r, opts)
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 20)
	p := &peer{t: f.t, Conn: conn, raw: raw, user: r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:],
		pongs: pongs, frames: make(chan []byte, 4096), gone: make(chan struct{})}
	if !mute {
		go p.pump()
	}
	f.peers <- p
}

func (f *fake) setMute(mute bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = mute
}

// hang makes a connection in memory swallow what the client writes, and say nothing.
func (f *fake) hang(p *peer) { p.raw.(*pipeConn).hung.Store(true) }

// accept returns the next connection, of which nothing has been said yet.
func (f *fake) accept() *peer {
	f.t.Helper()
	return f.acceptIn(patience)
}

func (f *fake) acceptReadyIn(d time.Duration) *peer {
	f.t.Helper()
	p := f.acceptIn(d)
	p.ready()
	return p
}

func (f *fake) acceptIn(d time.Duration) *peer {
	f.t.Helper()
	select {
	case p := <-f.peers:
		return p
	case <-time.After(d):
		f.t.Fatal("no connection came")
		return nil
	}
}

// acceptReady returns the next connection, made ready.
func (f *fake) acceptReady() *peer {
	f.t.Helper()
	p := f.accept()
	p.ready()
	return p
}

// dial connects a client and returns its first connection, ready on v1.
func (f *fake) dial(user string, opts ...client.Option) (*client.Client, *peer) {
	f.t.Helper()
	got := make(chan *peer, 1)
	go func() {
		p := <-f.peers
		if p.Subprotocol() != "" {
			p.ready()
		}
		got <- p
	}()
	c, err := f.tryDial(user, opts...)
	if err != nil {
		f.t.Fatalf("dial: %v", err)
	}
	return c, <-got
}

func (f *fake) tryDial(user string, opts ...client.Option) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return client.Dial(ctx, f.url, user, append(f.opts, opts...)...)
}

// peer is one connection, seen by the server.
type peer struct {
	*websocket.Conn
	t      testing.TB
	raw    net.Conn
	user   string
	pongs  *atomic.Int64 // that came
	frames chan []byte   // from the client, in order
	gone   chan struct{} // closed when the connection has ended, after end is set
	end    error
}

// pump reads all that comes, which also answers Pings and Closes.
func (p *peer) pump() {
	defer close(p.gone)
	for {
		_, data, err := p.Read(context.Background())
		if err != nil {
			p.end = err
			return
		}
		p.frames <- data
	}
}

// ended waits for the end of the connection and returns the client's close code, -1 if it sent none.
func (p *peer) ended() websocket.StatusCode {
	p.t.Helper()
	select {
	case <-p.gone:
		return websocket.CloseStatus(p.end)
	case <-time.After(patience):
		p.t.Fatal("the client does not end the connection")
		return 0
	}
}

// write sends a text frame.
func (p *peer) write(format string, args ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	if err := p.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		p.t.Errorf("server's write: %v", err)
	}
}

func (p *peer) ready() {
	p.write("%s", protocol.AppendReady(nil, must(protocol.ParseUserID(p.user)), false, protocol.DefaultLimits()))
}

// message sends a message from bob.
func (p *peer) message(seq int, id, payload string) {
	p.t.Helper()
	m := protocol.Message{From: must(protocol.ParseUserID(bob)), To: must(protocol.ParseUserID(p.user)), Payload: []byte(payload),
		ID: []byte(id), Seq: uint64(seq), TimeMS: 1_700_000_000_000}
	p.write("%s", protocol.AppendV1Message(nil, &m))
}

// in is a frame from the client.
type in struct {
	Type, From, To, ID, Payload, Tag, Sig string
	Seq                                   uint64
	TTL                                   int64
}

// read returns the next frame from the client.
func (p *peer) read() in {
	p.t.Helper()
	select {
	case data := <-p.frames:
		return p.parse(data)
	default:
	}
	select {
	case data := <-p.frames:
		return p.parse(data)
	case <-p.gone:
		p.t.Fatalf("server's read: %v", p.end)
	case <-time.After(patience):
		p.t.Fatal("the client sends nothing")
	}
	return in{}
}

func (p *peer) parse(data []byte) (f in) {
	if err := json.Unmarshal(data, &f); err != nil {
		p.t.Errorf("client sent %q: %v", data, err)
	}
	return f
}

// quiet checks that the client sends nothing for a while.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	select {
	case data := <-p.frames:
		p.t.Errorf("client sent %s", data)
	case <-time.After(d):
	}
}

// want reads the next frame and checks its type.
func (p *peer) want(typ string) in {
	p.t.Helper()
	f := p.read()
	if f.Type != typ {
		p.t.Fatalf("client sent %+v, want a %s", f, typ)
	}
	return f
}

func (p *peer) ack(f in) { p.write(`{"type":"ack","id":%q,"to":%q}`, f.ID, f.To) }

func (p *peer) fail(f in, code protocol.Code) {
	p.write("%s", protocol.AppendV1Error(nil, code, []byte(f.ID), []byte(f.To)))
}

// cut breaks the connection without a word, as a lost link does; with a reset where it is TCP.
func (p *peer) cut() {
	if tcp, ok := p.raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	p.raw.Close()
}

// must drops an ok that is true.
func must[T any](v T, ok bool) T {
	if !ok {
		panic("not ok")
	}
	return v
}

// pipeListener connects in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	n      int
	mu     sync.Mutex
}

type pipeConn struct {
	net.Conn
	addr pipeAddr
	hung atomic.Bool // what is read vanishes
}

func (c *pipeConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.hung.Load() {
			return n, err
		}
	}
}

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

func (c *pipeConn) RemoteAddr() net.Addr { return c.addr }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	l.mu.Lock()
	l.n++
	addr := pipeAddr(fmt.Sprintf("192.0.2.1:%d", l.n))
	l.mu.Unlock()
	select {
	case l.conns <- &pipeConn{Conn: theirs, addr: addr}:
		return ours, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, io.EOF
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr("server.test:80") }

// finish closes the client and checks that it goes.
func finish(t testing.TB, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}
