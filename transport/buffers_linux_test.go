package transport

import (
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// tuned returns both ends of a connection, the server's tuned, as it is or under TLS.
func tuned(t *testing.T, secure bool, opts Options) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close(); here.Close() })
	nc := here
	if secure {
		nc = tls.Server(here, nil)
	}
	if opts, err = opts.withDefaults(); err != nil {
		t.Fatal(err)
	}
	(&Server{opts: opts}).tune(nc)
	return here.(*net.TCPConn), there.(*net.TCPConn)
}

// What a client does not read stays out of the kernel's memory, but for a little.
func TestTune_BoundsWhatAClientDoesNotRead(t *testing.T) {
	for _, secure := range []bool{false, true} {
		server, client := tuned(t, secure, Options{})
		client.SetReadBuffer(4 << 10)
		// The client's kernel takes some, whatever the size of its buffer is said to be.
		if taken := fill(t, server); taken > 64<<10+unsentMost {
			t.Errorf("the kernel took %d bytes for a client that does not read (TLS: %t)", taken, secure)
		}
	}
}

// Nor does the kernel make room for more and more of what a client writes, as it does by itself for who reads fast, should
// the conn be paused then. Over loopback it is never much, so this looks at the bound.
func TestTune_BoundsWhatAConnDoesNotRead(t *testing.T) {
	for _, secure := range []bool{false, true} {
		server, _ := tuned(t, secure, Options{ReceiveBuffer: 40 << 10})
		rc, err := server.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		rc.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
		if err != nil || size != 2*40<<10 { // Linux doubles it for what it needs itself
			t.Errorf("the receive buffer has %d bytes (TLS: %t), %v", size, secure, err)
		}
	}
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
