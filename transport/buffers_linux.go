package transport

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes the kernel takes for a client before it has sent them, but for the rest of a write. What is
// on its way to a client that does read is not bounded by it. Connections do not inherit it from their listener.
const unsentMost = 16 << 10

// boundBuffers bounds what the kernel holds for a connection, in bytes each way; 0 leaves that to the kernel. Its memory for
// all TCP connections of the machine is bounded: where ten thousand clients that do not read, or that write to who does not,
// held as much as the kernel would give each, all others would get none.
func boundBuffers(c *net.TCPConn, send, receive int) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := rc.Control(func(fd uintptr) {
		set := func(level, option, value int) {
			if err == nil && value > 0 {
				err = unix.SetsockoptInt(int(fd), level, option, value)
			}
		}
		set(unix.SOL_SOCKET, unix.SO_SNDBUF, send)
		set(unix.SOL_SOCKET, unix.SO_RCVBUF, receive)
		set(unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
	})
	if failed != nil {
		return failed
	}
	return err
}
