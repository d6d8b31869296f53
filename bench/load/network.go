package load

import (
	"net/netip"
	"time"
)

// network moves the bytes of one worker's connections. All methods are for the worker's goroutine; what happens is told
// to connections and to the worker from within wait, and nowhere else.
type network interface {
	// dial begins a connection; connected or lost tells how it went. An invalid from leaves the choice to the system.
	dial(c *Conn, from netip.Addr, to netip.AddrPort) error
	// write takes what fits. After less than all, writable tells when there is room again.
	write(c *Conn, p []byte) (int, error)
	// hangUp closes a connection; nothing is told of it any more.
	hangUp(c *Conn)
	// wait waits for something to happen, at most so long, and hands it on.
	wait(limit time.Duration) error
	// pace makes wait return at least so often, in steps that a limit cannot express; zero ends that.
	pace(every time.Duration) error
	// close releases the network. Connections that are left are closed.
	close()
}

// maxRead is how much one read takes at most.
const maxRead = 256 << 10
