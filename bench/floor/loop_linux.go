package main

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	arenaSize = 256 << 10
	keptOut   = 64 << 10 // what a conn's buffer may keep when it is empty
)

// loop is the whole server. It has one goroutine, and waits in epoll.
type loop struct {
	fd       int // of epoll
	listener int
	conns    []*conn          // by descriptor
	users    map[string]*conn // by id, those that are connected
	dirty    []*conn          // have something to write
	events   [512]unix.EpollEvent
	arena    [arenaSize]byte
}

// conn is one connection: HTTP first, then a WebSocket.
type conn struct {
	fd    int32
	user  string // empty before the upgrade
	in    []byte // the beginning of what has not come as a whole
	out   []byte // to be written at the end of the turn
	dirty bool
	armed bool // waits for the socket to take bytes
	last  bool // close when all is written
}

// serve runs the server until it fails.
func serve(address string, greeting io.Writer) error {
	l := &loop{users: make(map[string]*conn)}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close() // and, by being here, keeps the collector from closing it
	defer ln.Close()
	l.listener = int(file.Fd())
	if err := unix.SetNonblock(l.listener, true); err != nil {
		return fmt.Errorf("listener: %w", err)
	}
	if l.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := l.control(unix.EPOLL_CTL_ADD, int32(l.listener), unix.EPOLLIN); err != nil {
		return err
	}
	fmt.Fprintf(greeting, "listening on http://%s\n", ln.Addr())
	for {
		if err := l.turn(); err != nil {
			return err
		}
	}
}

// turn reads what has come, which queues it at its recipients, and then writes once to each of them.
func (l *loop) turn() error {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.fd), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	if n == 0 || errno != 0 {
		blocked, err := unix.EpollWait(l.fd, l.events[:], -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		n = uintptr(max(blocked, 0))
	}
	for _, ev := range l.events[:n] {
		if int(ev.Fd) == l.listener {
			l.accept()
		} else if c := l.conns[ev.Fd]; c != nil {
			l.handle(c, ev.Events)
		}
	}
	for _, c := range l.dirty {
		l.flush(c)
	}
	l.dirty = l.dirty[:0]
	return nil
}

func (l *loop) control(op int, fd int32, events uint32) error {
	if err := unix.EpollCtl(l.fd, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // none is left, or it is gone already
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		for fd >= len(l.conns) {
			l.conns = append(l.conns, nil)
		}
		l.conns[fd] = &conn{fd: int32(fd)}
		if l.control(unix.EPOLL_CTL_ADD, int32(fd), unix.EPOLLIN) != nil {
			l.close(l.conns[fd])
		}
	}
}

func (l *loop) handle(c *conn, events uint32) {
	if events&unix.EPOLLOUT != 0 && c.armed {
		c.armed = false
		l.control(unix.EPOLL_CTL_MOD, c.fd, unix.EPOLLIN)
		l.touch(c)
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&l.arena[0])), arenaSize)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0 || n == 0:
		l.close(c)
	default:
		l.input(c, l.arena[:n])
	}
}

// input takes whole requests and frames off data, and keeps the rest.
func (l *loop) input(c *conn, data []byte) {
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	for len(data) > 0 {
		var size int
		if c.user == "" {
			size = l.request(c, data)
		} else {
			size = l.frame(c, data)
		}
		switch {
		case size < 0:
			l.close(c)
			return
		case size == 0:
			c.in = append(c.in[:0], data...)
			return
		}
		data = data[size:]
	}
	c.in = c.in[:0]
}

func (l *loop) touch(c *conn) {
	if !c.dirty {
		c.dirty = true
		l.dirty = append(l.dirty, c)
	}
}

func (l *loop) flush(c *conn) {
	c.dirty = false
	if c.fd < 0 || c.armed || len(c.out) == 0 {
		return
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out[0])), uintptr(len(c.out)))
	switch {
	case errno == unix.EAGAIN:
		n = 0
	case errno != 0:
		l.close(c)
		return
	}
	c.out = c.out[:copy(c.out, c.out[n:])]
	switch {
	case len(c.out) > 0:
		c.armed = true
		l.control(unix.EPOLL_CTL_MOD, c.fd, unix.EPOLLIN|unix.EPOLLOUT)
	case c.last:
		l.close(c)
	case cap(c.out) > keptOut:
		c.out = nil
	}
}

func (l *loop) close(c *conn) {
	if l.users[c.user] == c {
		delete(l.users, c.user)
	}
	l.conns[c.fd] = nil
	syscall.Close(int(c.fd))
	c.fd = -1
}
