package transport

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes the kernel takes for a client before it has sent them, but for the rest of a write. The
// kernel's memory for all TCP connections of the machine is bounded: where ten thousand clients that do not read held a
// send buffer each, all others would get none of it. What is on its way to a client that does read is not bounded by it.
const unsentMost = 16 << 10

// boundUnsent bounds what the kernel holds for a client that does not read.
func boundUnsent(c *net.TCPConn, sendBuffer int) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := rc.Control(func(fd uintptr) {
		if sendBuffer > 0 {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		}
		if err == nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}
