package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is a TCP relay in front of a server that can lose what the server answers. Its methods may be called from any
// goroutine.
type Proxy struct {
	Addr string

	target string
	ln     net.Listener
	wg     sync.WaitGroup

	mu      sync.Mutex
	cutting bool
	closed  bool
	cut     chan struct{} // receives one value for each connection cut by CutReplies
	open    map[net.Conn]struct{}
}

// StartProxy relays connections to target until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Addr: ln.Addr().String(), target: target, ln: ln,
		cut: make(chan struct{}, 64), open: make(map[net.Conn]struct{}),
	}
	p.wg.Add(1)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

// CutReplies makes every connection break as soon as the server answers anything, which is discarded: the commands
// before it were executed, and the client cannot know. Cut tells when it happened.
func (p *Proxy) CutReplies() { p.set(true) }

// Pass ends CutReplies.
func (p *Proxy) Pass() { p.set(false) }

// Cut receives a value whenever CutReplies has broken a connection.
func (p *Proxy) Cut() <-chan struct{} { return p.cut }

func (p *Proxy) set(cutting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutting = cutting
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

func (p *Proxy) requests(client, server net.Conn) {
	defer p.wg.Done()
	defer p.drop(client, server)
	_, _ = io.Copy(server, client) // either side may end it
}

func (p *Proxy) replies(client, server net.Conn) {
	defer p.wg.Done()
	defer p.drop(client, server)
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		cutting := p.cutting
		p.mu.Unlock()
		if cutting {
			select {
			case p.cut <- struct{}{}:
			default:
			}
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

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
