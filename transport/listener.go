package transport

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// maxHTTPConns bounds the connections that speak HTTP, for each has a goroutine and a read buffer. A connection leaves
// the count when it is upgraded.
const maxHTTPConns = 32 << 10

// Waits after an accept that failed for want of something, such as file descriptors, which fasthttp takes for the end.
// Connections meanwhile wait in the kernel.
const (
	minAcceptWait = 5 * time.Millisecond
	maxAcceptWait = time.Second
)

// listener accepts for fasthttp. It counts the connections of each source, which fasthttp's own count would do at the
// price of hiding the socket, and knows those that speak HTTP.
type listener struct {
	net.Listener
	server  *Server
	private bool // bound to loopback
	bounded bool // connections inherit the size of their send buffer
	closed  chan struct{}
	once    sync.Once
}

// listen returns the listener that fasthttp is to accept from.
func (s *Server) listen(ln net.Listener) *listener {
	l := &listener{Listener: ln, server: s, private: addrOf(ln.Addr()).IsLoopback(), closed: make(chan struct{})}
	if secure, ok := ln.(*tlsListener); ok {
		ln = secure.Listener
	}
	if tcp, ok := ln.(*net.TCPListener); ok {
		l.bounded = boundListener(tcp, s.opts.SendBuffer)
	}
	return l
}

// Accept returns the next connection that is within the limits.
func (l *listener) Accept() (net.Conn, error) {
	wait := minAcceptWait
	for {
		nc, err := l.Listener.Accept()
		if err == nil {
			wait = minAcceptWait
			if c := l.server.admit(nc); c != nil {
				c.private = l.private
				l.server.boundSending(nc, l.bounded)
				return c, nil
			}
			continue
		}
		if stillborn(err) {
			continue
		}
		if !shortage(err) {
			return nil, err
		}
		l.server.meter.acceptPauses.Add(1)
		l.server.starved.meet("error", err)
		select {
		case <-l.closed:
			return nil, err
		case <-time.After(wait):
		}
		wait = min(2*wait, maxAcceptWait)
	}
}

// boundSending bounds what the kernel holds for a client that does not read, answers to HTTP requests included.
func (s *Server) boundSending(nc net.Conn, inherited bool) {
	if tcp := tcpOf(nc); tcp != nil {
		boundSending(tcp, s.opts.SendBuffer, inherited) // where it fails, the socket is closed already
	}
}

// Close stops accepting.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// shortage reports whether an accept failed for want of something that there will be again.
func shortage(err error) bool {
	return isOneOf(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM)
}

// stillborn reports whether an accept failed because of the one connection that it would have returned.
func stillborn(err error) bool {
	return isOneOf(err, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EINTR)
}

func isOneOf(err error, list ...error) bool {
	return slices.ContainsFunc(list, func(one error) bool { return errors.Is(err, one) })
}

// httpConn is a connection that speaks HTTP. The goroutine that serves it owns it; the server may close it. It has a
// place among all the connections that there may be.
type httpConn struct {
	net.Conn
	server  *Server
	private bool                      // its listener is bound to loopback
	count   atomic.Pointer[connCount] // its place in the count of its source; nil if exempt, or a proxy that upgrades nothing
	used    atomic.Bool               // something was read
	left    atomic.Bool               // it is no more in the server's list
}

// admit counts a new connection. It refuses and closes those over the limits and returns nil for them.
func (s *Server) admit(nc net.Conn) *httpConn {
	c := &httpConn{Conn: nc, server: s}
	addr := addrOf(nc.RemoteAddr())
	if !s.trusted(addr) {
		count := s.counts.acquire(aggregate(addr))
		if count == nil {
			s.meter.answered(protocol.CodeRateLimited.HTTPStatus())
			s.refusals.refuse(nc, protocol.CodeRateLimited, retryRate)
			return nil
		}
		c.count.Store(count)
	}
	if !s.enter(c) {
		s.counts.release(c.count.Load())
		s.meter.answered(protocol.CodeStoreUnavailable.HTTPStatus())
		s.refusals.refuse(nc, protocol.CodeStoreUnavailable, retryStore)
		return nil
	}
	return c
}

// enter takes a place for a connection and puts it into the list, if there is room in both.
func (s *Server) enter(c *httpConn) bool {
	if !s.places.take() {
		s.crowded.meet("limit", s.opts.MaxConns)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.httpConns) >= s.opts.maxHTTPConns || s.stopping.Load() {
		s.places.give()
		return false
	}
	s.httpConns[c] = struct{}{}
	return true
}

// Read notes that the connection is in use.
func (c *httpConn) Read(p []byte) (int, error) {
	if !c.used.Load() {
		if err := greet(c.Conn); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
	}
	return n, err
}

// Close closes the connection and takes it out of the counts.
func (c *httpConn) Close() error {
	err := c.Conn.Close()
	if c.leave() {
		c.server.places.give()
	}
	c.server.counts.release(c.count.Swap(nil))
	return err
}

// takeOver ends the connection's life as an HTTP one. The caller owns the socket now, its place among all, and that in
// the count of the source, if it has one.
func (c *httpConn) takeOver() (net.Conn, *connCount) {
	if !c.leave() {
		c.server.places.force() // it was closed meanwhile, which its new owner will notice
	}
	return c.Conn, c.count.Swap(nil)
}

// leave takes the connection out of the server's list, and reports whether it was there.
func (c *httpConn) leave() bool {
	if c.left.Swap(true) {
		return false
	}
	c.server.mu.Lock()
	delete(c.server.httpConns, c)
	c.server.mu.Unlock()
	return true
}
