//go:build !linux

package transport

import "net"

// boundUnsent bounds what the kernel holds for a client that does not read.
func boundUnsent(c *net.TCPConn, sendBuffer int) error {
	if sendBuffer <= 0 {
		return nil
	}
	return c.SetWriteBuffer(sendBuffer)
}
