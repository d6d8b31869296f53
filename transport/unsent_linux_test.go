package transport

import (
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What a client does not read stays out of the kernel's memory, but for a little; under TLS too.
func TestTune_LeavesTheKernelsMemoryToOthers(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TCP": func(nc net.Conn) net.Conn { return nc },
		"TLS": func(nc net.Conn) net.Conn { return tls.Server(nc, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.(*net.TCPConn).SetReadBuffer(4 << 10)
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			(&Server{opts: Options{SendBuffer: 128 << 10}}).tune(wrap(nc))
			// The client's kernel takes some, whatever the size of its buffer is said to be.
			if taken := fill(t, nc.(*net.TCPConn)); taken > 64<<10+unsentMost {
				t.Errorf("the kernel took %d bytes for a client that does not read", taken)
			}
		})
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
