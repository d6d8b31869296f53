package transport

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/enigma-protocol/enigma/actors"
)

const (
	// arenaSize bounds what one turn reads from all conns of a shard together, readSize what it reads from one: what
	// is left waits in the kernel, behind that of the others.
	arenaSize = 256 << 10
	readSize  = 64 << 10
	// readLeast is the room below which nothing more is read in a turn.
	readLeast = 4 << 10

	maxEvents = 256

	// wakeSlot marks the events of the eventfd.
	wakeSlot = -1
)

// epoll is what a shard waits on, with its sockets. It is edge-triggered: level-triggered, the kernel looks at each socket
// a second time, in the next wait, to find it empty. Who takes less than there is asks to be told again, so that an event
// is only ever a hint. An idle conn costs its struct: it has no goroutine and no buffer.
//
// Only the shard's goroutine reads, writes, arms and closes the sockets. It reads and writes by RawSyscall, for they do
// not block; a wait that may block goes through the runtime, which would else hold up every collection.
type epoll struct {
	fd   int
	wake int // an eventfd

	sleeping atomic.Bool // Wait blocks, or is about to
	woken    atomic.Bool // Wake was called since the last Wait

	// The shard's.
	events [maxEvents]unix.EpollEvent
	at     int // of events, the first that is not handled
	count  int // of events
	arena  []byte
	used   int          // of arena, by this turn
	conns  []*epollConn // by slot, nil where free
	free   []int32      // slots
}

// NewEpoll returns a [actors.Poller] that carries the conns of a shard. Give it to [actors.WithPoller]; a [Server] finds
// it there by itself.
func NewEpoll(*actors.Shard) (actors.Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("transport: epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("transport: eventfd: %w", err)
	}
	// Each write is an event, and nobody has to read it.
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakeSlot}); err != nil {
		unix.Close(wake)
		unix.Close(fd)
		return nil, fmt.Errorf("transport: epoll: %w", err)
	}
	return &epoll{fd: fd, wake: wake, arena: make([]byte, arenaSize)}, nil
}

// BrokerOptions are what a broker has to know to carry conns in the best way this system has.
func BrokerOptions() []actors.Option { return []actors.Option{actors.WithPoller(NewEpoll)} }

// Wait implements [actors.Poller].
func (p *epoll) Wait(timeout time.Duration) {
	p.used = 0
	if p.at == p.count {
		p.at, p.count = 0, p.poll()
		if p.count == 0 && timeout > 0 {
			p.count = p.block(timeout)
		}
	}
	// What was posted before a Wake that comes until here is seen by the turn that begins.
	p.woken.Store(false)
	for p.at < p.count && len(p.arena)-p.used >= readLeast {
		p.handle()
	}
}

// handle hands events on until there is no room to read, or until a conn panics, which ends that one.
func (p *epoll) handle() {
	defer func() {
		if reason := recover(); reason != nil {
			p.panicked(reason)
		}
	}()
	for p.at < p.count && len(p.arena)-p.used >= readLeast {
		ev := &p.events[p.at]
		p.at++
		if ev.Fd == wakeSlot {
			continue
		}
		if c := p.conns[ev.Fd]; c != nil {
			c.event(ev.Events)
		}
	}
}

// panicked takes a panic in the last event that was handed on.
func (p *epoll) panicked(reason any) {
	c := p.conns[p.events[p.at-1].Fd]
	if c == nil {
		panic(reason) // the conn has ended already; the shard counts it, and goes on
	}
	c.panicked(reason)
}

// poll asks for events without blocking.
func (p *epoll) poll() int {
	n, errno := rawEpollWait(p.fd, &p.events[0], maxEvents)
	if errno != 0 {
		return 0
	}
	return n
}

// block waits for events. A Wake is not missed: it sees sleeping, or is seen by the look at woken.
func (p *epoll) block(timeout time.Duration) int {
	p.sleeping.Store(true)
	defer p.sleeping.Store(false)
	if p.woken.Load() {
		return 0
	}
	n, err := unix.EpollWait(p.fd, p.events[:], int((timeout+time.Millisecond-1)/time.Millisecond))
	if err != nil {
		return 0 // EINTR: the turn finds nothing to do
	}
	return n
}

// Wake implements [actors.Poller].
func (p *epoll) Wake() {
	p.woken.Store(true)
	if p.sleeping.Load() && p.sleeping.CompareAndSwap(true, false) {
		one := [8]byte{1}
		unix.Write(p.wake, one[:])
	}
}

// Close implements [actors.Poller]. It closes what sockets are left; their links are dead, for the shard has stopped.
func (p *epoll) Close() error {
	for _, c := range p.conns {
		if c != nil {
			c.set(discharged)
			c.close()
		}
	}
	unix.Close(p.wake)
	return unix.Close(p.fd)
}

// add gives a conn its slot.
func (p *epoll) add(c *epollConn) {
	if n := len(p.free); n > 0 {
		c.slot = p.free[n-1]
		p.free = p.free[:n-1]
		p.conns[c.slot] = c
		return
	}
	c.slot = int32(len(p.conns))
	p.conns = append(p.conns, c)
}

// remove frees a conn's slot. An event that is still to be handled may find the slot's next conn, which takes it for a
// hint.
func (p *epoll) remove(c *epollConn) {
	p.conns[c.slot] = nil
	p.free = append(p.free, c.slot)
}

// cutJob ends all conns of a server on a shard.
type cutJob struct {
	poll   *epoll
	server *Server
}

// Run implements [actors.Job].
func (j cutJob) Run() {
	for _, c := range j.poll.conns {
		if c != nil && c.loop.server == j.server {
			c.cutOff()
		}
	}
}
