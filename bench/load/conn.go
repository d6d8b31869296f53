package load

import (
	"bytes"
	"fmt"
)

// stage is how far a connection has come.
type stage uint8

const (
	stageConnecting stage = iota
	stageLogin            // waits for the answer to the login request
	stageUpgrade          // waits for the answer to the upgrade request
	stageGreeting         // a WebSocket, of which the server has not said that it has the user
	stageOpen
	stageClosing // our Close is on its way
	stageGone
)

// Conn is one connection of a user, from the TCP handshake on. It belongs to its worker's goroutine.
type Conn struct {
	User  *User
	State State

	worker  *worker
	dialect Dialect
	stage   stage
	busy    bool  // the socket takes nothing until it says so
	dirty   bool  // in worker.dirty
	begun   int64 // when it was, nanoseconds since the run began

	in     []byte // the beginning of what has not come as a whole
	out    []byte // what the socket has not taken
	stream []byte // what goes out in one binary frame at the end of the turn

	// Of the network.
	fd    int32
	slot  int32
	armed bool // waits for the socket to take bytes
	pipe  *pipe
}

// Write writes one frame. It goes out at the end of the turn.
func (c *Conn) Write(op byte, payload []byte) {
	c.out = appendFrame(c.out, op, c.worker.key(), payload)
	c.touch()
}

// Stream writes bytes of a protocol that does not care for frames: all of a turn go into one binary frame, as they
// would from a client with a buffer.
func (c *Conn) Stream(p []byte) {
	c.stream = append(c.stream, p...)
	c.touch()
}

// Ping writes a Ping, whose Pong the dialect is told of.
func (c *Conn) Ping() { c.Write(opPing, []byte("ready?")) }

// queued is how many bytes wait for the socket.
func (c *Conn) queued() int { return len(c.out) + len(c.stream) }

func (c *Conn) touch() {
	if !c.dirty {
		c.dirty = true
		c.worker.dirty = append(c.worker.dirty, c)
	}
}

// flush writes what the turn has left.
func (c *Conn) flush() {
	c.dirty = false
	if c.stage == stageGone {
		return
	}
	if c.stage == stageOpen {
		c.dialect.Confirm(c)
	}
	if len(c.stream) > 0 {
		c.out = appendFrame(c.out, OpBinary, c.worker.key(), c.stream)
		c.stream = c.stream[:0]
	}
	if c.busy || len(c.out) == 0 {
		return
	}
	n, err := c.worker.net.write(c, c.out)
	if err != nil {
		c.worker.lost(c, fmt.Errorf("write: %w", err))
		return
	}
	c.busy = n < len(c.out)
	c.out = c.out[:copy(c.out, c.out[n:])]
}

// writable is called when a socket that was busy takes bytes again.
func (c *Conn) writable() {
	c.busy = false
	c.touch()
}

// connected is called when the TCP handshake is through.
func (c *Conn) connected() {
	if path := c.dialect.Login(c.User); path != "" && !c.User.known {
		c.stage = stageLogin
		c.request(path, "")
		return
	}
	c.upgrade()
}

func (c *Conn) request(path, headers string) {
	c.out = append(c.out, "GET "...)
	c.out = append(append(c.out, path...), " HTTP/1.1\r\nHost: "...)
	c.out = append(append(c.out, c.worker.host...), "\r\n"...)
	c.out = append(append(c.out, headers...), "\r\n"...)
	c.touch()
}

func (c *Conn) upgrade() {
	path, subprotocol := c.dialect.Upgrade(c.User)
	headers := upgradeHeaders
	if subprotocol != "" {
		headers += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	c.stage = stageUpgrade
	c.request(path, headers)
}

// input takes what has come and returns an error that ends the connection. data is valid during the call.
func (c *Conn) input(data []byte) error {
	c.worker.clock()
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	for len(data) > 0 && c.stage != stageGone {
		n, err := c.take(data)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		data = data[n:]
	}
	c.in = append(c.in[:0], data...)
	if len(c.in) == 0 && cap(c.in) > 4<<10 {
		c.in = nil // thousands of connections with a buffer each would show in our own memory only, but it is not needed
	}
	return nil
}

// take handles what stands first in data and returns its size, 0 if it has not come as a whole.
func (c *Conn) take(data []byte) (int, error) {
	switch c.stage {
	case stageLogin:
		a, err := parseAnswer(data)
		if err != nil || a == nil {
			return 0, err
		}
		return a.size, c.loggedIn(a)
	case stageUpgrade:
		a, err := parseAnswer(data)
		if err != nil || a == nil {
			return 0, err
		}
		return a.size, c.upgraded(a)
	}
	op, payload, size, err := nextFrame(data)
	if err != nil || size == 0 {
		return 0, err
	}
	return size, c.frame(op, payload)
}

func (c *Conn) loggedIn(a *answer) error {
	if a.status != 200 {
		return fmt.Errorf("login: status %d: %.200s", a.status, bytes.TrimSpace(a.body))
	}
	if err := c.dialect.LoggedIn(c.User, a.body); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	c.worker.loggedIn(c)
	return nil
}

func (c *Conn) upgraded(a *answer) error {
	if err := a.checkUpgrade(); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	c.stage = stageGreeting
	c.dialect.Greet(c)
	return nil
}

// frame takes one frame of an open WebSocket.
func (c *Conn) frame(op byte, payload []byte) error {
	switch op {
	case OpText, OpBinary:
		if c.stage == stageClosing {
			return nil
		}
		c.touch() // there may be something to confirm
		return c.dialect.Receive(c, payload, c.worker)
	case opPing:
		if c.stage != stageClosing {
			c.Write(opPong, payload)
		}
	case opPong:
		c.dialect.Pong(c, c.worker)
	case opClose:
		if c.stage == stageClosing {
			c.worker.closed(c)
			return nil
		}
		return closeError(payload)
	default:
		return errFrame
	}
	return nil
}

// leave closes the connection as a client should: Close, then read until the server's.
func (c *Conn) leave() {
	c.dialect.Confirm(c)
	c.Write(opClose, []byte{1000 >> 8, 1000 & 0xFF})
	c.stage = stageClosing
}
