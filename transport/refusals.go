package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Bounds of the refused connections that linger: their number, for each has a goroutine and a file, and what is read.
const (
	maxRefusals   = 64
	maxRefusedIn  = 64 << 10
	refusalLinger = time.Second
)

// refusals are connections that were refused when they were accepted, and answered. What a client has sent by then is
// read and discarded for a while, for a close with unread bytes is a reset, which may destroy the answer. Where there
// are too many, they are closed at once.
type refusals struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu
	ended bool                  // guarded by mu
	all   sync.WaitGroup        // a goroutine for each of conns
}

// refuse answers a connection, closes it, and does not block. Its send buffer is empty, so that the write does not block
// either; over TLS it would.
func (r *refusals) refuse(nc net.Conn, code protocol.Code, retry string) {
	if _, secure := nc.(*tls.Conn); secure {
		nc.Close()
		return
	}
	body := protocol.AppendError(nil, code, nil)
	status := code.HTTPStatus()
	_, err := fmt.Fprintf(nc, "HTTP/1.1 %d %s\r\nServer: %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n"+
		"Access-Control-Allow-Origin: *\r\nCache-Control: %s\r\nRetry-After: %s\r\n\r\n%s",
		status, http.StatusText(status), serverName, typeJSON, len(body), noStore, retry, body)
	if err != nil || !r.linger(nc) {
		nc.Close()
	}
}

// linger has the connection read to its end and closed, and reports false if there are too many already.
func (r *refusals) linger(nc net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || len(r.conns) >= maxRefusals {
		return false
	}
	if r.conns == nil {
		r.conns = make(map[net.Conn]struct{})
	}
	r.conns[nc] = struct{}{}
	r.all.Go(func() {
		if half, ok := nc.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // what is broken is read
		}
		_ = nc.SetReadDeadline(time.Now().Add(refusalLinger))
		_, _ = io.CopyN(io.Discard, nc, maxRefusedIn)
		nc.Close()
		r.mu.Lock()
		delete(r.conns, nc)
		r.mu.Unlock()
	})
	return true
}

// end closes those that linger, and waits for that.
func (r *refusals) end() {
	r.mu.Lock()
	r.ended = true
	for nc := range r.conns {
		nc.Close()
	}
	r.mu.Unlock()
	r.all.Wait()
}
