package transport

import (
	"errors"
	"fmt"
	"net"
	"net/http"
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
const (
	minAcceptWait = 5 * time.Millisecond
	maxAcceptWait = time.Second
)

// listener accepts for fasthttp. It counts the connections of each source, which fasthttp's own count would do at the
// price of hiding the socket, and knows those that speak HTTP.
type listener struct {
	net.Listener
	server *Server
	closed chan struct{}
	once   sync.Once
}

// Accept returns the next connection that is within the limits.
func (l *listener) Accept() (net.Conn, error) {
	wait := minAcceptWait
	for {
		nc, err := l.Listener.Accept()
		if err == nil {
			wait = minAcceptWait
			if c := l.server.admit(nc); c != nil {
				return c, nil
			}
			continue
		}
		if !shortage(err) {
			return nil, err
		}
		l.server.meter.acceptPauses.Add(1)
		l.server.log.Warn("cannot accept connections", "error", err, "wait", wait)
		select {
		case <-l.closed:
			return nil, err
		case <-time.After(wait):
		}
		wait = min(2*wait, maxAcceptWait)
	}
}

// Close stops accepting.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// shortage reports whether an accept failed for a reason that passes.
func shortage(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EINTR} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// httpConn is a connection that speaks HTTP. The goroutine that serves it owns it; the server may close it.
type httpConn struct {
	net.Conn
	server *Server
	count  atomic.Pointer[connCount] // its place in the count of its source; nil if exempt, or a proxy that upgrades nothing
	used   atomic.Bool               // something was read
	left   atomic.Bool               // it is no more in the server's list
}

// admit counts a new connection. It refuses and closes those over the limits and returns nil for them.
func (s *Server) admit(nc net.Conn) *httpConn {
	c := &httpConn{Conn: nc, server: s}
	addr := addrOf(nc.RemoteAddr())
	if !s.trusted(addr) {
		count := s.counts.acquire(aggregate(addr))
		if count == nil {
			s.meter.answered(protocol.CodeRateLimited.HTTPStatus())
			refuse(nc, protocol.CodeRateLimited, retryRate)
			return nil
		}
		c.count.Store(count)
	}
	s.mu.Lock()
	full := len(s.httpConns) >= maxHTTPConns || s.stopping.Load()
	if !full {
		s.httpConns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.counts.release(c.count.Load())
		s.meter.answered(protocol.CodeStoreUnavailable.HTTPStatus())
		refuse(nc, protocol.CodeStoreUnavailable, retryStore)
		return nil
	}
	return c
}

// refuse answers a connection without reading its request. Its send buffer is empty, so that the write does not block;
// over TLS it would.
func refuse(nc net.Conn, code protocol.Code, retry string) {
	if _, ok := nc.(*net.TCPConn); ok {
		body := protocol.AppendError(nil, code, nil)
		status := code.HTTPStatus()
		fmt.Fprintf(nc, "HTTP/1.1 %d %s\r\nServer: %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n"+
			"Access-Control-Allow-Origin: *\r\nCache-Control: %s\r\nRetry-After: %s\r\n\r\n%s",
			status, http.StatusText(status), serverName, typeJSON, len(body), noStore, retry, body)
	}
	nc.Close()
}

// Read notes that the connection is in use.
func (c *httpConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
	}
	return n, err
}

// Close closes the connection and takes it out of the counts.
func (c *httpConn) Close() error {
	c.leave()
	c.server.counts.release(c.count.Swap(nil))
	return c.Conn.Close()
}

// takeOver ends the connection's life as an HTTP one. The caller owns the socket now, and the place in the count of the
// source, if it has one.
func (c *httpConn) takeOver() (net.Conn, *connCount) {
	c.leave()
	return c.Conn, c.count.Swap(nil)
}

// leave takes the connection out of the server's list.
func (c *httpConn) leave() {
	if c.left.Swap(true) {
		return
	}
	c.server.mu.Lock()
	delete(c.server.httpConns, c)
	c.server.mu.Unlock()
}
