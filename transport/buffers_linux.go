package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes the kernel takes for a client before it has sent them, but for the rest of a write. What is
// on its way to a client that does read is not bounded by it. Connections do not inherit it from their listener.
const unsentMost = 16 << 10

// The kernel's memory for all TCP connections of the machine is bounded: where ten thousand clients that do not read, or
// that write to who does not, held as much as the kernel would give each, all others would get none.

// boundListener bounds what the kernel holds for clients of the connections that will be accepted, in bytes; 0 leaves that
// to the kernel. It reports whether that was all there was to do for SO_SNDBUF, which they inherit.
func boundListener(l *net.TCPListener, send int) bool {
	return setOptions(l, option{unix.SOL_SOCKET, unix.SO_SNDBUF, send}) == nil
}

// boundSending bounds what the kernel holds for a client that does not read. It is one system call for a connection that
// has inherited the rest.
func boundSending(c *net.TCPConn, send int, inherited bool) error {
	if inherited {
		send = 0
	}
	return setOptions(c, option{unix.SOL_SOCKET, unix.SO_SNDBUF, send}, option{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost})
}

// option is one of a socket; a value of 0 is not set.
type option struct{ level, name, value int }

func setOptions(socket syscall.Conn, options ...option) error {
	rc, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	failed := rc.Control(func(fd uintptr) {
		for _, o := range options {
			if err == nil && o.value > 0 {
				err = unix.SetsockoptInt(int(fd), o.level, o.name, o.value)
			}
		}
	})
	if failed != nil {
		return failed
	}
	return err
}
