// Package wire is the WebSocket of the fault tests, written from RFC 6455 alone and independent of what the server is
// built with. It does nothing by itself: whether a Ping is answered, when, and with what, whether anything is read at
// all, and how the connection ends, is up to the test.
package wire

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds each step of a handshake, and each write: the machine may be loaded, but not that much.
const patience = 20 * time.Second

// Conn is one end of a WebSocket. One goroutine may read, any may write, and any may end it.
type Conn struct {
	nc     *net.TCPConn
	r      *bufio.Reader
	client bool

	mu  sync.Mutex // held over a write
	buf []byte
}

// Dialer says what is special about a connection. The zero value is nothing.
type Dialer struct {
	From    string // local address; a machine has some sixty thousand ports for each
	Header  string // lines of the upgrade request, each with its CR and LF
	Buffer  int    // bytes read at a time; 0 for 32 KiB
	Receive int    // bytes that the kernel takes in for one who does not read (SO_RCVBUF); 0 for its own choice
}

// Dial connects to addr and upgrades at path, offering the protocols. A server that answers anything but what RFC 6455
// demands is an error.
func Dial(addr, path string, protocols ...string) (*Conn, error) {
	return new(Dialer).Dial(addr, path, protocols...)
}

// Dial is the function Dial with what d says.
func (d *Dialer) Dial(addr, path string, protocols ...string) (*Conn, error) {
	nc, err := d.connect(addr)
	if err != nil {
		return nil, err
	}
	size := d.Buffer
	if size == 0 {
		size = 32 << 10
	}
	c := &Conn{nc: nc, r: bufio.NewReaderSize(nc, size), client: true}
	if err := c.upgrade(addr, path, d.Header, protocols); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// connect makes the TCP connection. A receive buffer counts only if it is set before.
func (d *Dialer) connect(addr string) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: patience, KeepAlive: -1}
	if d.From != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(d.From)}
	}
	if d.Receive > 0 {
		dialer.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, d.Receive) // a hint
			})
		}
	}
	nc, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return nc.(*net.TCPConn), nil
}

// upgrade makes the client's half of the handshake (RFC 6455, section 4.1).
func (c *Conn) upgrade(host, path, header string, protocols []string) error {
	if err := c.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s", path, host, key, header)
	if len(protocols) > 0 {
		request += "Sec-WebSocket-Protocol: " + strings.Join(protocols, ", ") + "\r\n"
	}
	if _, err := c.nc.Write([]byte(request + "\r\n")); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("wire: the upgrade was answered %s", resp.Status)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != base64.StdEncoding.EncodeToString(sum[:]) {
		return fmt.Errorf("wire: Sec-WebSocket-Accept is %q", got)
	}
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != strings.Join(protocols, ", ") {
		return fmt.Errorf("wire: the server chose protocol %q of %q", got, protocols)
	}
	return c.nc.SetDeadline(time.Time{})
}

// Read returns the next frame.
func (c *Conn) Read() (Opcode, []byte, error) { return readFrame(c.r, !c.client) }

// Sip reads one byte, if there is one, and forgets it. Frames cannot be read any more.
func (c *Conn) Sip() {
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _ = c.nc.Read(make([]byte, 1)) // one that has ended is of no interest
}

// Idle says that nothing more has come yet than what was read.
func (c *Conn) Idle() bool { return c.r.Buffered() == 0 }

// Write sends one frame.
func (c *Conn) Write(op Opcode, payload []byte) error {
	return c.WriteAll(Frame{op, payload})
}

// Frame is one frame for [Conn.WriteAll].
type Frame struct {
	Op      Opcode
	Payload []byte
}

// WriteAll sends frames in one write.
func (c *Conn) WriteAll(frames ...Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = c.buf[:0]
	for _, f := range frames {
		c.buf = appendFrame(c.buf, f.Op, f.Payload, c.client)
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.buf)
	return err
}

// WriteCut sends the first n bytes of a frame.
func (c *Conn) WriteCut(op Opcode, payload []byte, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.nc.Write(appendFrame(nil, op, payload, c.client)[:n])
	return err
}

// WriteClose sends a Close frame with a status; nothing may be sent after it.
func (c *Conn) WriteClose(status uint16) error {
	return c.Write(Close, binary.BigEndian.AppendUint16(nil, status))
}

// CloseStatus returns the status in the payload of a Close frame, 1005 for none (RFC 6455, section 7.1.5).
func CloseStatus(payload []byte) int {
	if len(payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16(payload))
}

// ReadBy sets until when reads wait; the zero time is for ever.
func (c *Conn) ReadBy(deadline time.Time) { _ = c.nc.SetReadDeadline(deadline) } // fails on a closed one only, as the read will

// Shrink makes the kernel keep little for a client that does not read, or whom nobody reads.
func (c *Conn) Shrink(bytes int) {
	_ = c.nc.SetReadBuffer(bytes) // hints: the kernel has bounds of its own
	_ = c.nc.SetWriteBuffer(bytes)
}

// End closes the connection without a word, as a process that ends does. What was not read makes it a reset.
func (c *Conn) End() { _ = c.nc.Close() }

// Reset ends the connection by a TCP reset (SO_LINGER 0): what is on its way in either direction may vanish.
func (c *Conn) Reset() {
	_ = c.nc.SetLinger(0)
	_ = c.nc.Close()
}

// Remote returns the address of the other end.
func (c *Conn) Remote() net.Addr { return c.nc.RemoteAddr() }

// Local returns the address of this end.
func (c *Conn) Local() net.Addr { return c.nc.LocalAddr() }
