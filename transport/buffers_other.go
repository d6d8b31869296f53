//go:build !linux

package transport

import "net"

// boundListener reports whether connections inherit the bound of what the kernel holds for their clients: it need not be so.
func boundListener(*net.TCPListener, int) bool { return false }

// boundSending bounds what the kernel holds for a client that does not read, in bytes; 0 leaves that to the kernel.
func boundSending(c *net.TCPConn, send int, inherited bool) error {
	if send <= 0 || inherited {
		return nil
	}
	return c.SetWriteBuffer(send)
}
