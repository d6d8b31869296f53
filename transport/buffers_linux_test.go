package transport

import (
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// listeners are the kinds that a server is given.
var listeners = map[string]func(net.Listener) net.Listener{
	"plain": func(l net.Listener) net.Listener { return l },
	"TLS":   func(l net.Listener) net.Listener { return NewTLSListener(l, &tls.Config{}) },
	"TLS of crypto/tls": func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{GetCertificate: noCertificate})
	},
	"a program's wrapper": func(l net.Listener) net.Listener { return struct{ net.Listener }{l} },
}

func noCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errClosed }

// accepted returns both ends of a connection that a server has accepted. It speaks HTTP.
func accepted(t *testing.T, kind string, opts Options) (s *Server, server, client *net.TCPConn) {
	t.Helper()
	s, err := New(noBroker{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := s.listen(listeners[kind](inner))
	defer l.Close()
	if inherits := kind == "plain" || kind == "TLS"; l.bounded != inherits { // a system call less for each connection
		t.Errorf("%s: connections inherit the size of the send buffer: %t", kind, l.bounded)
	}
	there, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close(); here.Close() })
	return s, tcpOf(here.(*httpConn).Conn), there.(*net.TCPConn)
}

// What a client does not read stays out of the kernel's memory, but for a little: answers to HTTP requests, which it could
// have many of, and what a conn sends.
func TestAccept_BoundsWhatAClientDoesNotRead(t *testing.T) {
	for kind := range listeners {
		s, server, client := accepted(t, kind, Options{SendBuffer: 48 << 10})
		if size := optionOf(t, server, unix.SOL_SOCKET, unix.SO_SNDBUF); size != 2*48<<10 { // Linux doubles it for what it needs itself
			t.Errorf("%s: the send buffer has %d bytes", kind, size)
		}
		s.tune(server)
		if size := optionOf(t, server, unix.SOL_SOCKET, unix.SO_SNDBUF); size != 2*48<<10 {
			t.Errorf("%s: the send buffer of a conn has %d bytes", kind, size)
		}
		client.SetReadBuffer(4 << 10)
		// The client's kernel takes some, whatever the size of its buffer is said to be.
		if taken := fill(t, server); taken > 64<<10+unsentMost {
			t.Errorf("%s: the kernel took %d bytes for a client that does not read", kind, taken)
		}
	}
}

// Nor does the kernel make room for more and more of what a client writes, as it does by itself for who reads fast, should
// the conn be paused then. Over loopback it is never much, so this looks at the bound.
func TestTune_BoundsWhatAConnDoesNotRead(t *testing.T) {
	for kind := range listeners {
		s, server, _ := accepted(t, kind, Options{ReceiveBuffer: 40 << 10})
		s.tune(server)
		if size := optionOf(t, server, unix.SOL_SOCKET, unix.SO_RCVBUF); size != 2*40<<10 {
			t.Errorf("%s: the receive buffer has %d bytes", kind, size)
		}
		if on := optionOf(t, server, unix.SOL_SOCKET, unix.SO_KEEPALIVE); on != 0 {
			t.Errorf("%s: the kernel asks whether the client is there", kind)
		}
	}
}

// A connection that another server has accepted gets its bounds when it is handed over.
func TestRelease_BoundsWhatAClientDoesNotRead(t *testing.T) {
	s, server, _ := accepted(t, "plain", Options{SendBuffer: 48 << 10})
	server.SetWriteBuffer(1 << 20)
	s.release(server)
	if size := optionOf(t, server, unix.SOL_SOCKET, unix.SO_SNDBUF); size != 2*48<<10 {
		t.Errorf("the send buffer has %d bytes", size)
	}
	if size := optionOf(t, server, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); size != unsentMost {
		t.Errorf("%d bytes wait to be sent", size)
	}
}

func optionOf(t *testing.T, c *net.TCPConn, level, name int) (value int) {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) })
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// fill writes until the kernel takes no more, and returns how many bytes it took.
func fill(t *testing.T, nc *net.TCPConn) (taken int) {
	t.Helper()
	rc, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1<<10)
	rc.Control(func(fd uintptr) {
		for err == nil {
			var n int
			if n, err = unix.Write(int(fd), p); err == nil {
				taken += n
			}
		}
	})
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	return taken
}
