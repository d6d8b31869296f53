package transport

import (
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// lingerTimeout bounds a close by the server: the last bytes, the client's Close, the end of its stream.
const lingerTimeout = time.Second

// link is what a conn uses of the broker; [actors.Link] is one.
type link interface {
	Submit(s *actors.Submission)
	Refuse(code protocol.Code, to, id []byte)
	Fail(code protocol.Code, close protocol.CloseCode)
	Alive()
	Ping(payload []byte)
	Pong(payload []byte)
	Recv(seq uint64)
	Waste() int
	Writable()
	Detach()
}

// socket is what carries a conn's bytes. It belongs to the shard's goroutine, like the conn, and calls input, writable
// and hangup of its conn, never from within its own methods except readOn.
type socket interface {
	// write takes bytes as [actors.Conn.Write] does.
	write(p []byte) (int, error)
	// finish takes all of p, to be written behind what write took.
	finish(p []byte)
	// flushed reports whether all that was taken has gone to the kernel.
	flushed() bool
	// halfClose tells the remote that nothing more comes. Everything is flushed.
	halfClose()
	// readOn gives the conn what was read and not parsed, and goes on reading unless the conn is paused.
	readOn()
	// close releases the socket and takes the conn out of the server's counts; nothing is called after it.
	close()
}

// connFlags are the state of a conn.
type connFlags uint32

const (
	speaksV1   connFlags = 1 << iota
	unlimited            // exempt from the rate limit
	paused               // input is not parsed until Resume
	busy                 // the last Write was short
	muted                // messages are discarded: the conn closes and does not accept
	deaf                 // all input is discarded unparsed
	closing              // Close was called
	byeHeard             // the remote's Close has come
	finished             // the socket is half closed
	ended                // the remote's stream is at its end
	lost                 // the socket failed under a Write
	woken                // a wake job is posted
	detached             // the link is dead
	discharged           // the socket is closed
	proving              // it is in its entrance, and not attached
	challenged           // it has been
	faulty               // its code has panicked

	// What an epollConn has told its epoll.
	armedIn    // of input
	armedOut   // of room for output
	registered // that there is the conn; that the connection is broken is told always, then
)

// conn is one WebSocket connection, as [actors.Conn] to the broker. Everything in it belongs to the goroutine of the
// user's shard. It is embedded in the socket that carries it.
type conn struct {
	loop     *loop
	sock     socket
	link     link
	dec      decoder
	deadline *deadline     // nil for most
	count    *connCount    // its place in the count of its source; nil if it is exempt
	quota    time.Duration // when its bucket of messages will be full again
	excess   int32         // frames refused since it was
	id       protocol.UserID
	flags    connFlags
	order    uint32 // of its upgrade
}

func (c *conn) is(f connFlags) bool { return c.flags&f != 0 }
func (c *conn) set(f connFlags)     { c.flags |= f }
func (c *conn) unset(f connFlags)   { c.flags &^= f }

// start begins the conn's life on its shard: in the entrance, if it has to prove something first, or attached.
func (c *conn) start() {
	if e, ok := c.link.(*entrance); ok {
		e.begin(c)
		return
	}
	c.join(false)
}

// join hands the conn to the broker. It reads nothing before the first Resume.
func (c *conn) join(proven bool) {
	opts := actors.AttachOptions{Profile: actors.Plain, Proven: proven, Order: c.order}
	if c.is(speaksV1) {
		opts.Profile = actors.V1
	}
	c.set(paused)
	c.link = c.loop.server.broker.Attach(c.id, c, opts)
}

// Write implements [actors.Conn].
func (c *conn) Write(frames []byte) (int, error) {
	if c.is(closing | discharged | lost) {
		return 0, errGone
	}
	n, err := c.sock.write(frames)
	if err != nil {
		c.set(lost)
		c.wake()
		return n, err
	}
	if n < len(frames) {
		c.set(busy)
	}
	return n, nil
}

// Pause implements [actors.Conn].
func (c *conn) Pause() {
	if !c.is(muted | deaf) {
		c.set(paused)
	}
}

// Resume implements [actors.Conn].
func (c *conn) Resume() {
	c.unset(paused)
	c.wake()
}

// Close implements [actors.Conn].
func (c *conn) Close(_ protocol.CloseCode, last []byte, accept bool) {
	if c.is(closing | discharged) {
		return
	}
	defer c.guard()
	c.set(closing)
	if !accept {
		c.set(muted)
		c.unset(paused)
	}
	if !c.is(lost) {
		c.sock.finish(last)
	}
	c.setDeadline(lingerTimeout)
	c.wake()
}

// wake posts the work that follows a call of the broker, during which the conn must not call back.
func (c *conn) wake() {
	if !c.is(woken | discharged) {
		c.set(woken)
		c.loop.shard.Post((*wakeJob)(c))
	}
}

// wakeJob is a conn that has something to do.
type wakeJob conn

// Run implements [actors.Job].
func (j *wakeJob) Run() {
	c := (*conn)(j)
	defer c.guard()
	c.unset(woken)
	switch {
	case c.is(discharged):
		return
	case c.is(lost):
		c.end()
		return
	}
	c.linger()
	if !c.is(paused | discharged) {
		c.sock.readOn()
		c.watch()
	}
}

// linger takes a close one step further. Once our Close has gone, and the remote's has come or could not be told from
// rubbish, nothing is left to be said: the remote is told so, and the end of its stream is waited for, so that no unread
// byte turns our last ones into a reset.
func (c *conn) linger() {
	if !c.is(closing) || c.is(discharged) || !c.sock.flushed() {
		return
	}
	if c.is(ended) {
		c.end()
		return
	}
	if c.is(byeHeard|deaf) && !c.is(finished) {
		c.set(finished)
		c.detach()
		c.sock.halfClose()
	}
}

// writable is called by the socket when it takes more bytes, or has flushed the last.
func (c *conn) writable() {
	if c.is(closing) {
		c.linger()
		return
	}
	if c.is(busy) {
		c.unset(busy)
		c.link.Writable()
	}
}

// hangup is called by the socket when the remote's stream is at its end, or broken.
func (c *conn) hangup(broken bool) {
	c.set(ended)
	if broken || !c.is(closing) {
		c.end()
		return
	}
	c.linger() // or the deadline, if the last bytes do not get through
}

// expire is called when the deadline is over.
func (c *conn) expire() {
	switch {
	case c.is(closing | byeHeard):
		c.end()
		return
	case c.is(proving):
		c.fail(protocol.CodeProofRequired, protocol.CloseProofRequired)
		return
	}
	// A frame was begun and not completed. That is what a client does that wants to hold memory.
	c.fail(protocol.CodeNone, protocol.CloseProtocolError)
}

// fail has the broker close the conn; nothing is parsed any more.
func (c *conn) fail(code protocol.Code, with protocol.CloseCode) {
	c.set(deaf)
	c.unset(paused)
	if !c.is(closing | detached) {
		c.link.Fail(code, with)
	}
}

// detach tells the broker that the conn is gone, once.
func (c *conn) detach() {
	if !c.is(detached) {
		c.set(detached)
		c.link.Detach()
	}
}

// end releases everything.
func (c *conn) end() {
	if c.is(discharged) {
		return
	}
	c.set(discharged)
	defer c.detach() // whatever fails before, the broker and the kernel have their part back
	defer c.sock.close()
	c.clearDeadline()
	c.dec.release(c.loop)
}
