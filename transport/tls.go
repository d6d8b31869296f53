package transport

import (
	"crypto/tls"
	"errors"
	"net"
)

// maxHandshake bounds what a client may send until its TLS handshake is complete. With keys that withstand quantum computers
// a ClientHello has some 2 KB, twice if it is asked for another, and a ticket adds less than that; certificates are not asked
// for. crypto/tls itself takes messages of 64 KiB and keeps what has come of them.
const maxHandshake = 16 << 10

var errHandshake = errors.New("transport: the TLS handshake is too long")

// NewTLSListener returns a listener for [Server.Serve] that speaks TLS. It does what tls.NewListener does, but that clients
// cannot have the server hold much for them by a long handshake.
func NewTLSListener(inner net.Listener, config *tls.Config) net.Listener {
	return &tlsListener{Listener: inner, config: config}
}

type tlsListener struct {
	net.Listener
	config *tls.Config
}

// Accept returns a *tls.Conn.
func (l *tlsListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(&handshakeConn{Conn: nc, left: maxHandshake}, l.config), nil
}

// handshakeConn is the socket below TLS. Whoever reads from the TLS connection owns it.
type handshakeConn struct {
	net.Conn
	left int  // how many bytes may still come before the handshake is complete
	done bool // it is
}

// Read fails when the handshake is too long.
func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.done {
		return c.Conn.Read(p)
	}
	if c.left == 0 {
		return 0, errHandshake
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// NetConn returns what is below, like the method of *tls.Conn.
func (c *handshakeConn) NetConn() net.Conn { return c.Conn }

// greet completes the TLS handshake, if there is one.
func greet(nc net.Conn) error {
	secure, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	err := secure.Handshake()
	if below, ok := secure.NetConn().(*handshakeConn); ok && err == nil {
		below.done = true
	}
	return err
}

// tcpOf returns the socket at the bottom of a connection, nil if that is of another kind.
func tcpOf(nc net.Conn) *net.TCPConn {
	for {
		switch c := nc.(type) {
		case *net.TCPConn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}
