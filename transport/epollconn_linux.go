package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/enigma-protocol/enigma/actors"
)

// epollConn is a conn on a socket of its shard's epoll. Everything belongs to the shard's goroutine.
type epollConn struct {
	conn
	backlog *backlog // nil for most
	fd      int32
	slot    int32 // in the epoll
}

// armed is the flags that say what its epoll has been told.
const armed = armedIn | armedOut | registered

// notBytes is the events after which a short read may have left something in the socket: the end of the stream, an error,
// or urgent data, before which a read stops.
const notBytes = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR | unix.EPOLLPRI

// backlog is what a conn has in memory that is stopped in the middle of something.
type backlog struct {
	rest    []byte // read and not parsed, at the end of restBuf
	restBuf []byte // of the shard; nil if rest came with the upgrade
	tail    []byte // the last bytes before a close that the kernel did not take, at the end of tailBuf
	tailBuf []byte // of the shard
}

// openEpoll moves a connection from Go's poller to the epoll of its shard. It reports false if it cannot be moved.
func (s *Server) openEpoll(c conn, shard *actors.Shard, nc net.Conn, early []byte) bool {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || c.loop.poll == nil {
		return false
	}
	fd, err := dupFD(tcp)
	if err != nil {
		return false // there is no descriptor left; it goes on where it is
	}
	nc.Close()
	ec := &epollConn{conn: c, fd: int32(fd), slot: -1}
	ec.sock = ec
	if len(early) > 0 {
		ec.backlog = &backlog{rest: early}
	}
	s.conns.remember(ec)
	if !shard.Post((*startJob)(ec)) {
		ec.cut()
	}
	return true
}

// dupFD returns another descriptor of a socket, not blocking and not inherited, like its own.
func dupFD(nc syscall.Conn) (fd int, err error) {
	rc, err := nc.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := rc.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if failed != nil {
		return 0, failed
	}
	return fd, err
}

// startJob is a conn that has come to its shard.
type startJob epollConn

// Run implements [actors.Job].
func (j *startJob) Run() {
	c := (*epollConn)(j)
	if !c.loop.server.conns.forget(c) {
		return // cut meanwhile
	}
	c.loop.poll.add(c)
	defer c.guard()
	c.start()
}

// cutOff ends a conn, and is not kept from ending the next one.
func (c *epollConn) cutOff() {
	defer c.guard()
	c.end()
}

// cut ends a conn that will not come to its shard any more, because that has stopped.
func (c *epollConn) cut() {
	if c.loop.server.conns.forget(c) {
		unix.Close(int(c.fd))
		c.loop.server.closed(c.count)
	}
}

// event takes what epoll says of the conn: a hint.
func (c *epollConn) event(events uint32) {
	if events&unix.EPOLLOUT != 0 && c.is(armedOut) {
		c.roomForOutput()
	}
	if events&^unix.EPOLLOUT == 0 || c.is(discharged) {
		return
	}
	if c.is(paused | ended) {
		c.arm(c.flags & armed &^ armedIn)
		return
	}
	c.receive(events&notBytes != 0)
}

// receive reads once. A read that does not fill its buffer has emptied the socket, unless more than bytes is to be told;
// what it may have left is asked for again.
func (c *epollConn) receive(more bool) {
	if c.backlog != nil && len(c.backlog.rest) > 0 {
		c.again() // the rest comes first; a wake job is under way
		return
	}
	p := c.loop.poll
	buf := p.arena[p.used:min(len(p.arena), p.used+readSize)]
	n, errno := rawRead(c.fd, buf)
	switch {
	case n > 0:
		p.used += (n + 7) &^ 7
		if rest := c.input(buf[:n]); len(rest) > 0 && !c.is(discharged) {
			c.keepRest(rest)
		}
		if more || n == len(buf) {
			c.again()
		}
		c.watch()
	case n == 0:
		c.hangup(false)
		if !c.is(discharged) {
			c.arm(c.flags & armed &^ armedIn)
		}
	case errno == unix.EAGAIN:
	case errno == unix.EINTR:
		c.again()
	default:
		c.hangup(true)
	}
}

// keepRest copies input aside that a paused conn has not parsed.
func (c *epollConn) keepRest(rest []byte) {
	b := c.keeping()
	b.restBuf = append(c.loop.shard.Buffer(len(rest)), rest...)
	b.rest = b.restBuf
}

func (c *epollConn) keeping() *backlog {
	if c.backlog == nil {
		c.backlog = &backlog{}
	}
	return c.backlog
}

// readOn implements socket.
func (c *epollConn) readOn() {
	if b := c.backlog; b != nil && len(b.rest) > 0 {
		if b.rest = c.input(b.rest); len(b.rest) == 0 {
			c.dropRest()
		}
	}
	if !c.is(paused | discharged | ended) {
		c.arm(c.flags&armed | armedIn | registered)
	}
}

func (c *epollConn) dropRest() {
	b := c.backlog
	if b == nil {
		return
	}
	if b.restBuf != nil {
		c.loop.shard.Recycle(b.restBuf)
	}
	b.rest, b.restBuf = nil, nil
	if b.tailBuf == nil {
		c.backlog = nil
	}
}

// write implements socket.
func (c *epollConn) write(p []byte) (int, error) {
	if c.is(armedOut) {
		return 0, nil
	}
	n, errno := c.send(p)
	if errno != 0 {
		return n, errno
	}
	if n < len(p) {
		c.arm(c.flags&armed | armedOut | registered)
	}
	return n, nil
}

// send writes what the kernel takes.
func (c *epollConn) send(p []byte) (int, unix.Errno) {
	sent := 0
	for sent < len(p) {
		n, errno := rawWrite(c.fd, p[sent:])
		switch {
		case errno == 0:
			sent += n
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return sent, 0
		default:
			return sent, errno
		}
	}
	return sent, 0
}

// finish implements socket.
func (c *epollConn) finish(p []byte) {
	n := 0
	if !c.is(armedOut) {
		var errno unix.Errno
		if n, errno = c.send(p); errno != 0 {
			c.set(lost)
			return
		}
	}
	if n < len(p) {
		b := c.keeping()
		b.tailBuf = append(c.loop.shard.Buffer(len(p)-n), p[n:]...)
		b.tail = b.tailBuf
		c.arm(c.flags&armed | armedOut | registered)
	}
}

// flushed implements socket.
func (c *epollConn) flushed() bool { return c.backlog == nil || len(c.backlog.tail) == 0 }

// roomForOutput goes on writing.
func (c *epollConn) roomForOutput() {
	if b := c.backlog; b != nil && len(b.tail) > 0 {
		n, errno := c.send(b.tail)
		if errno != 0 {
			c.hangup(true)
			return
		}
		if b.tail = b.tail[n:]; len(b.tail) > 0 {
			return
		}
		c.dropTail()
	}
	c.arm(c.flags & armed &^ armedOut)
	c.writable()
}

func (c *epollConn) dropTail() {
	b := c.backlog
	if b == nil || b.tailBuf == nil {
		return
	}
	c.loop.shard.Recycle(b.tailBuf)
	b.tail, b.tailBuf = nil, nil
	if b.rest == nil {
		c.backlog = nil
	}
}

// halfClose implements socket.
func (c *epollConn) halfClose() { unix.Shutdown(int(c.fd), unix.SHUT_WR) }

// close implements socket.
func (c *epollConn) close() {
	c.dropTail()
	c.dropRest()
	unix.Close(int(c.fd)) // which takes it out of the epoll too
	c.loop.poll.remove(c)
	c.loop.server.closed(c.count)
}

// arm tells epoll what the conn wants to know, beside that the connection is broken. Whatever is so already, epoll tells
// at once.
func (c *epollConn) arm(want connFlags) {
	before := c.flags & armed
	if want == before {
		return
	}
	op := unix.EPOLL_CTL_MOD
	if before == 0 {
		op = unix.EPOLL_CTL_ADD
	}
	if c.control(op, want) {
		c.flags = c.flags&^armed | want
	}
}

// again has epoll tell of input that an event was taken for and that is still there.
func (c *epollConn) again() {
	if c.flags&(armedIn|discharged) == armedIn {
		c.control(unix.EPOLL_CTL_MOD, c.flags&armed)
	}
}

func (c *epollConn) control(op int, want connFlags) bool {
	ev := unix.EpollEvent{Events: unix.EPOLLET, Fd: c.slot}
	if want&armedIn != 0 {
		ev.Events |= unix.EPOLLIN | notBytes
	}
	if want&armedOut != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(c.loop.poll.fd, op, int(c.fd), &ev); err != nil {
		c.set(lost) // no memory for it in the kernel
		c.wake()
		return false
	}
	return true
}
