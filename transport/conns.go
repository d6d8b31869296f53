package transport

import (
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/enigma-protocol/enigma/actors"
)

// connSet knows the conns of a server: how many there are, and those that no shard's poller knows.
type connSet struct {
	mu      sync.Mutex
	open    int                // guarded by mu
	waiters []chan struct{}    // guarded by mu: closed when open is 0
	strays  map[stray]struct{} // guarded by mu
}

// stray is a conn that runs on goroutines, or one on its way to its shard.
type stray interface {
	// cut ends the conn without its shard. Any goroutine may call it.
	cut()
}

// idle returns a channel that is closed when there are no conns.
func (t *connSet) idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	done := make(chan struct{})
	if t.open == 0 {
		close(done)
	} else {
		t.waiters = append(t.waiters, done)
	}
	return done
}

func (t *connSet) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open++
}

func (t *connSet) remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open--; t.open > 0 {
		return
	}
	for _, done := range t.waiters {
		close(done)
	}
	t.waiters = nil
}

func (t *connSet) remember(c stray) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.strays == nil {
		t.strays = map[stray]struct{}{}
	}
	t.strays[c] = struct{}{}
}

// forget reports whether the conn was known.
func (t *connSet) forget(c stray) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.strays[c]
	delete(t.strays, c)
	return known
}

// cut ends all strays.
func (t *connSet) cut() {
	t.mu.Lock()
	strays := slices.Collect(maps.Keys(t.strays))
	t.mu.Unlock()
	for _, c := range strays {
		c.cut()
	}
}

// open starts a WebSocket connection on a socket that has been upgraded.
func (s *Server) open(nc net.Conn, count *connCount, hs handshake, early []byte) {
	s.conns.add()
	s.tune(nc)
	shard := s.broker.ShardFor(hs.id)
	c := conn{loop: s.loopFor(shard), count: count, id: hs.id, order: hs.order}
	if hs.profile == actors.V1 {
		c.set(speaksV1)
	}
	if hs.source.exempt {
		c.set(unlimited)
	}
	if hs.entrance != nil {
		c.link = hs.entrance
	}
	if s.openEpoll(c, shard, nc, early) {
		return
	}
	st := newStream(c, nc, early)
	s.conns.remember(st)
	st.post((*connJob)(&st.conn))
}

// tune sets the socket of a connection up for a WebSocket. What is held for its client is bounded since it was accepted.
func (s *Server) tune(nc net.Conn) {
	tcp := tcpOf(nc)
	if tcp == nil {
		return
	}
	tcp.SetKeepAlive(false) // liveness is the broker's, with Pings
	if s.opts.ReceiveBuffer > 0 {
		tcp.SetReadBuffer(s.opts.ReceiveBuffer) // where it fails, the socket is closed already
	}
}

// closed takes a conn out of the counts. Its socket is closed already, or else the next one might find no descriptor.
func (s *Server) closed(count *connCount) {
	s.places.give()
	s.counts.release(count)
	s.conns.remove()
}

// connJob is a conn that has come to its shard.
type connJob conn

// Run implements [actors.Job].
func (j *connJob) Run() {
	c := (*conn)(j)
	defer c.guard()
	c.start()
}
