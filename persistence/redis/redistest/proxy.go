package redistest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP relay in front of a server that can lose what the server answers, or deliver late what it was sent.
// Its methods may be called from any goroutine.
type Proxy struct {
	Addr string

	t      testing.TB
	target string
	ln     net.Listener
	wg     sync.WaitGroup
	cuts   chan struct{}

	mu     sync.Mutex
	mode   proxyMode
	closed bool
	open   map[net.Conn]struct{}
	held   []*heldConn
}

type proxyMode uint8

const (
	passing proxyMode = iota
	cutting
	holding
)

// heldConn is what a client sent while the proxy was holding, and where it is to go.
type heldConn struct {
	server net.Conn
	sent   bytes.Buffer
}

// StartProxy relays connections to target until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Addr: ln.Addr().String(), t: t, target: target, ln: ln,
		cuts: make(chan struct{}, 64), open: make(map[net.Conn]struct{}),
	}
	p.wg.Add(1)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

// URL is the redis:// address of the proxy.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// CutReplies makes every connection break as soon as the server answers anything, which is discarded: the commands
// before it were executed, and the client cannot know.
func (p *Proxy) CutReplies() { p.set(cutting) }

// Cut receives a value whenever CutReplies has broken a connection.
func (p *Proxy) Cut() <-chan struct{} { return p.cuts }

// Hold keeps back what clients send, whatever becomes of them, until Release. A connection of which something was
// held stays held.
func (p *Proxy) Hold() { p.set(holding) }

// Pass makes the proxy an honest one, but for what it holds.
func (p *Proxy) Pass() { p.set(passing) }

func (p *Proxy) set(mode proxyMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
}

// Release sends what was held to the server, and returns when the server has executed it.
func (p *Proxy) Release() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held {
		h.sent.WriteString("*1\r\n$4\r\nPING\r\n")
		if err := h.server.SetDeadline(time.Now().Add(commandTimeout)); err != nil {
			p.t.Fatal(err)
		}
		if _, err := h.server.Write(h.sent.Bytes()); err != nil {
			p.t.Fatalf("release: %v", err)
		}
		var answer []byte
		buf := make([]byte, 4096)
		for !bytes.Contains(answer, []byte("PONG")) {
			n, err := h.server.Read(buf)
			if err != nil {
				p.t.Fatalf("release: %v after %q", err, answer)
			}
			answer = append(answer, buf[:n]...)
		}
		h.server.Close()
	}
	p.held = nil
}

func (p *Proxy) accept() {
	defer p.wg.Done()
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.wg.Add(2)
		p.track(client, server)
		go p.requests(client, server)
		go p.replies(client, server)
	}
}

// track notes connections so that close can end them.
func (p *Proxy) track(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.open[c] = struct{}{}
		if p.closed {
			c.Close()
		}
	}
}

func (p *Proxy) drop(client, server net.Conn) {
	client.Close()
	server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, client)
	delete(p.open, server)
}

// requests relays what the client sends. Once something is held, only Release writes to the server.
func (p *Proxy) requests(client, server net.Conn) {
	defer p.wg.Done()
	var held *heldConn
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		p.mu.Lock()
		if held == nil && p.mode == holding {
			held = &heldConn{server: server}
			p.held = append(p.held, held)
			_ = server.SetReadDeadline(time.Now()) // ends replies, which leaves the connection to Release
		}
		if held != nil {
			held.sent.Write(buf[:n])
		}
		p.mu.Unlock()
		if held == nil {
			if _, err := server.Write(buf[:n]); err != nil {
				break
			}
		}
	}
	if held == nil {
		p.drop(client, server)
	}
}

// replies relays what the server answers.
func (p *Proxy) replies(client, server net.Conn) {
	defer p.wg.Done()
	_, _ = io.Copy(writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		cut := p.mode == cutting
		p.mu.Unlock()
		if !cut {
			return client.Write(b)
		}
		select {
		case p.cuts <- struct{}{}:
		default:
		}
		return 0, io.ErrClosedPipe
	}), server)
	if !p.holds(server) {
		p.drop(client, server)
	}
}

func (p *Proxy) holds(server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.held {
		if h.server == server {
			return true
		}
	}
	return false
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (p *Proxy) close() {
	p.ln.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
