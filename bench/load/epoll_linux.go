package load

import (
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the network that costs least: one descriptor to wait on, no goroutine and no buffer per connection. It looks
// before it waits, because a wait that blocks costs the scheduler a hand-over.
type epoll struct {
	fd, timer int
	conns     []*Conn // by slot, which is what an event carries
	free      []int32 // slots to use again
	freed     []int32 // slots of connections closed in this wait: an event for one may still stand in events
	events    [512]unix.EpollEvent
	buf       []byte
}

// timerSlot marks the events of the timer.
const timerSlot = -1

func newNetwork() (network, error) { return newEpoll() }

func newEpoll() (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("timer: %w", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: timerSlot}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, timer, &ev); err != nil {
		unix.Close(fd)
		unix.Close(timer)
		return nil, fmt.Errorf("timer: %w", err)
	}
	return &epoll{fd: fd, timer: timer, buf: make([]byte, maxRead)}, nil
}

func (e *epoll) dial(c *Conn, from netip.Addr, to netip.AddrPort) error {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := connect(fd, from, to); err != nil {
		unix.Close(fd)
		return err
	}
	slot := int32(len(e.conns))
	if n := len(e.free); n > 0 {
		slot, e.free = e.free[n-1], e.free[:n-1]
		e.conns[slot] = c
	} else {
		e.conns = append(e.conns, c)
	}
	c.fd, c.slot, c.armed = int32(fd), slot, true
	return e.control(unix.EPOLL_CTL_ADD, c)
}

// connect begins to connect. The source port is chosen by the kernel when it knows the destination: a port may then
// serve many source addresses.
func connect(fd int, from netip.Addr, to netip.AddrPort) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if from.IsValid() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			return fmt.Errorf("bind to %s: %w", from, err)
		}
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect to %s: %w", to, err)
	}
	return nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// control tells the kernel which events of c matter.
func (e *epoll) control(op int, c *Conn) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: c.slot}
	if c.armed {
		ev.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(e.fd, op, int(c.fd), &ev); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func (e *epoll) write(c *Conn, p []byte) (int, error) {
	taken := 0
	for taken < len(p) {
		n, errno := rawWrite(int(c.fd), p[taken:])
		switch errno {
		case 0:
			taken += n
		case unix.EINTR:
		case unix.EAGAIN:
			c.armed = true
			return taken, e.control(unix.EPOLL_CTL_MOD, c)
		default:
			return taken, errno
		}
	}
	return taken, nil
}

func (e *epoll) hangUp(c *Conn) {
	unix.Close(int(c.fd))
	e.conns[c.slot] = nil
	e.freed = append(e.freed, c.slot)
}

func (e *epoll) wait(limit time.Duration) error {
	n, errno := rawPoll(e.fd, e.events[:])
	if n == 0 && errno == 0 && limit > 0 {
		var err error
		n, err = unix.EpollWait(e.fd, e.events[:], int((limit+time.Millisecond-1)/time.Millisecond))
		errno, _ = err.(syscall.Errno)
	}
	if errno != 0 && errno != unix.EINTR {
		return fmt.Errorf("epoll: %w", errno)
	}
	for i := range max(n, 0) {
		switch ev := &e.events[i]; {
		case ev.Fd == timerSlot:
			rawRead(e.timer, e.buf[:8]) // the kernel counts its interval anew only when it is read
		case e.conns[ev.Fd] != nil:
			e.handle(e.conns[ev.Fd], ev.Events)
		}
	}
	e.free = append(e.free, e.freed...)
	e.freed = e.freed[:0]
	return nil
}

// handle takes the events of one connection.
func (e *epoll) handle(c *Conn, events uint32) {
	if events&(unix.EPOLLOUT|unix.EPOLLERR) != 0 && c.armed {
		c.armed = false
		if err := e.control(unix.EPOLL_CTL_MOD, c); err != nil {
			c.worker.lost(c, err)
			return
		}
		if !e.room(c) {
			return
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLRDHUP) == 0 {
		return
	}
	n, errno := rawRead(int(c.fd), e.buf)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		c.worker.lost(c, fmt.Errorf("read: %w", errno))
	case n == 0:
		c.worker.lost(c, io.EOF)
	default:
		if err := c.input(e.buf[:n]); err != nil {
			c.worker.lost(c, err)
		}
	}
}

// room tells a connection that its socket takes bytes, and reports whether it is still there.
func (e *epoll) room(c *Conn) bool {
	if c.stage != stageConnecting {
		c.writable()
		return true
	}
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err != nil {
		c.worker.lost(c, fmt.Errorf("connect: %w", err))
		return false
	}
	c.connected()
	return true
}

func (e *epoll) pace(every time.Duration) error {
	step := unix.NsecToTimespec(int64(every))
	return unix.TimerfdSettime(e.timer, 0, &unix.ItimerSpec{Interval: step, Value: step}, nil)
}

func (e *epoll) close() {
	for _, c := range e.conns {
		if c != nil {
			unix.Close(int(c.fd))
		}
	}
	unix.Close(e.timer)
	unix.Close(e.fd)
}

// The calls below do not block, so that the scheduler need not hear of them.

func rawRead(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func rawWrite(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

func rawPoll(fd int, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
