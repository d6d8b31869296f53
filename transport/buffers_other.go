//go:build !linux

package transport

import (
	"errors"
	"net"
)

// boundBuffers bounds what the kernel holds for a connection, in bytes each way; 0 leaves that to the kernel.
func boundBuffers(c *net.TCPConn, send, receive int) error {
	var errs [2]error
	if send > 0 {
		errs[0] = c.SetWriteBuffer(send)
	}
	if receive > 0 {
		errs[1] = c.SetReadBuffer(receive)
	}
	return errors.Join(errs[:]...)
}
