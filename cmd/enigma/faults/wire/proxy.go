package wire

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Direction says who sent a frame that a Proxy relays.
type Direction bool

// The two directions.
const (
	FromClient Direction = false
	FromServer Direction = true
)

// Tap is told of every frame that a Proxy relays on one connection, in each direction's order. It returns what goes on
// instead, and what goes back to whoever sent the frame. Two goroutines call it, one per direction.
type Tap func(d Direction, f Frame) (on, back []Frame)

// Proxy is a man in the middle: it relays the connections of WebSocket clients to a server, frame by frame, and lets
// a test drop, change, swap and make up frames.
type Proxy struct {
	Addr string

	ln     net.Listener
	target func() string
	tap    func(path string) Tap
	wg     sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]struct{} // guarded by mu
	closed bool                  // guarded by mu
}

// StartProxy relays to the address that target returns at each connection, until the test ends. For each connection it
// asks for a tap, by the path of the upgrade.
func StartProxy(t testing.TB, target func() string, tap func(path string) Tap) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: ln.Addr().String(), ln: ln, target: target, tap: tap, open: make(map[net.Conn]struct{})}
	p.wg.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

func (p *Proxy) accept() {
	for {
		nc, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.relay(nc) })
	}
}

// track notes connections so that stop can end them, and ends those that come too late.
func (p *Proxy) track(nc net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[nc] = struct{}{}
	if p.closed {
		_ = nc.Close()
	}
}

func (p *Proxy) drop(nc net.Conn) {
	_ = nc.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, nc)
}

// relay serves one client.
func (p *Proxy) relay(nc net.Conn) {
	p.track(nc)
	defer p.drop(nc)
	client := &Conn{nc: nc.(*net.TCPConn), r: bufio.NewReader(nc)}
	request, err := http.ReadRequest(client.r)
	if err != nil {
		return
	}
	upstream, err := net.Dial("tcp", p.target())
	if err != nil {
		return
	}
	p.track(upstream)
	defer p.drop(upstream)
	server := &Conn{nc: upstream.(*net.TCPConn), r: bufio.NewReader(upstream), client: true}
	if err := request.Write(upstream); err != nil {
		return
	}
	resp, err := http.ReadResponse(server.r, request)
	if err != nil {
		return
	}
	if err := resp.Write(nc); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	tap := p.tap(request.URL.Path)
	var there sync.WaitGroup
	there.Go(func() { pump(client, server, FromClient, tap) })
	pump(server, client, FromServer, tap)
	there.Wait()
}

// pump relays one direction. When one ends so does the other: a connection that is half there is of no use to a test.
func pump(from, to *Conn, d Direction, tap Tap) {
	defer from.End()
	defer to.End()
	for {
		op, payload, err := from.Read()
		if err != nil {
			return
		}
		on, back := tap(d, Frame{op, payload})
		if len(back) > 0 && from.WriteAll(back...) != nil || len(on) > 0 && to.WriteAll(on...) != nil {
			return
		}
	}
}

func (p *Proxy) stop() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.closed = true
	for nc := range p.open {
		_ = nc.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
