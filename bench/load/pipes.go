package load

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// pipes is the network where there is no epoll: a goroutine per connection reads, another one writes. It is for
// trying things out; what it costs is a good part of what it measures.
type pipes struct {
	events chan pipeEvent
	timer  *time.Timer
	every  time.Duration
	quit   chan struct{}
}

const (
	pipeBuffer = 64 << 10
	// pipeBound is how many bytes wait for a writing goroutine before write takes no more.
	pipeBound  = 256 << 10
	dialWithin = 30 * time.Second
)

// pipeEvent is something that a goroutine of a connection has seen.
type pipeEvent struct {
	conn *Conn
	pipe *pipe
	kind pipeKind
	data []byte
	err  error
}

type pipeKind uint8

const (
	pipeConnected pipeKind = iota
	pipeData
	pipeRoom
	pipeLost
)

// pipe is the socket of one connection.
type pipe struct {
	owner *pipes
	conn  *Conn

	mu     sync.Mutex
	more   sync.Cond
	nc     net.Conn // guarded by mu; nil while connecting
	out    []byte   // guarded by mu
	full   bool     // guarded by mu: write took less than all
	closed bool     // guarded by mu
}

func newPipes() *pipes {
	return &pipes{events: make(chan pipeEvent, 1024), timer: time.NewTimer(time.Hour), quit: make(chan struct{})}
}

func (p *pipes) dial(c *Conn, from netip.Addr, to netip.AddrPort) error {
	c.pipe = &pipe{owner: p, conn: c}
	c.pipe.more.L = &c.pipe.mu
	d := net.Dialer{Timeout: dialWithin}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	go c.pipe.serve(&d, to.String())
	return nil
}

// serve connects, and then reads to the end. It ends with the connection.
func (s *pipe) serve(d *net.Dialer, to string) {
	nc, err := d.Dial("tcp", to)
	if err != nil {
		s.tell(pipeEvent{kind: pipeLost, err: err})
		return
	}
	if !s.adopt(nc) {
		nc.Close()
		return
	}
	go s.writeAll(nc)
	s.tell(pipeEvent{kind: pipeConnected})
	for {
		buf := make([]byte, pipeBuffer)
		n, err := nc.Read(buf)
		if n > 0 {
			s.tell(pipeEvent{kind: pipeData, data: buf[:n]})
		}
		if err != nil {
			s.tell(pipeEvent{kind: pipeLost, err: err})
			return
		}
	}
}

// adopt keeps the connection, unless it has been hung up already.
func (s *pipe) adopt(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nc = nc
	return !s.closed
}

// writeAll writes what write has taken. It ends with the connection.
func (s *pipe) writeAll(nc net.Conn) {
	var batch []byte
	for {
		s.mu.Lock()
		for len(s.out) == 0 && !s.closed {
			s.more.Wait()
		}
		if s.closed {
			s.mu.Unlock()
			return
		}
		batch, s.out = s.out, batch[:0]
		room := s.full
		s.full = false
		s.mu.Unlock()
		if _, err := nc.Write(batch); err != nil {
			return // the reader sees it too
		}
		if room {
			s.tell(pipeEvent{kind: pipeRoom})
		}
	}
}

// tell hands an event to the worker, unless that has ended.
func (s *pipe) tell(ev pipeEvent) {
	ev.pipe, ev.conn = s, s.conn
	select {
	case s.owner.events <- ev:
	case <-s.owner.quit:
	}
}

func (p *pipes) write(c *Conn, data []byte) (int, error) {
	s := c.pipe
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(data), max(0, pipeBound-len(s.out)))
	s.out = append(s.out, data[:n]...)
	s.full = n < len(data)
	s.more.Signal()
	return n, nil
}

func (p *pipes) hangUp(c *Conn) {
	s := c.pipe
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.more.Signal()
	if s.nc != nil {
		s.nc.Close()
	}
}

func (p *pipes) wait(limit time.Duration) error {
	if p.every > 0 {
		limit = min(limit, p.every)
	}
	p.timer.Reset(limit)
	select {
	case ev := <-p.events:
		p.handle(ev)
	case <-p.timer.C:
		return nil
	}
	for range len(p.events) {
		p.handle(<-p.events)
	}
	return nil
}

// handle brings an event to its connection. One of a connection that was hung up comes too late.
func (p *pipes) handle(ev pipeEvent) {
	c := ev.conn
	if c.stage == stageGone {
		return
	}
	err := ev.err
	switch ev.kind {
	case pipeConnected:
		c.connected()
	case pipeData:
		err = c.input(ev.data)
	case pipeRoom:
		c.writable()
	}
	if err != nil {
		c.worker.lost(c, err)
	}
}

func (p *pipes) pace(every time.Duration) error {
	p.every = every
	return nil
}

func (p *pipes) close() { close(p.quit) }
