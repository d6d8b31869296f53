package transport

import (
	"github.com/gobwas/ws"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// The flow of a frame: the socket reads bytes and calls input; the decoder finds messages in them; a message is scanned
// once and submitted, or refused. All of it happens in one go on the shard's goroutine, and every call of the link may
// pause or close the conn, which ends the go.

// input parses what was read, until it is used up or the conn is paused, and returns what is left. The broker may refer to
// p until the turn ends.
func (c *conn) input(p []byte) []byte {
	c.charge(c.wasted())
	heard := false
	var ev event
	for !c.is(paused) {
		if c.is(deaf | discharged) {
			return nil
		}
		if p = c.dec.next(&ev, p, c.limit(), c.loop); ev.kind == eventNone {
			if c.dec.holding() {
				c.loop.relieve(c)
			}
			return nil
		}
		if !heard && !c.is(detached) {
			heard = true
			c.link.Alive()
		}
		c.handle(&ev)
	}
	return p
}

// limit bounds a message that is to be decoded.
func (c *conn) limit() int {
	if c.is(proving) {
		return protocol.MaxProofFrame
	}
	return c.loop.limits.MaxMessage
}

// watch sets or clears the deadline of the frame or message under way. A paused conn has none: it waits for us.
func (c *conn) watch() {
	if c.is(closing | byeHeard | discharged | proving) {
		return
	}
	progress := c.dec.takeProgress()
	switch {
	case c.is(paused|deaf) || !c.dec.holding():
		c.clearDeadline()
	case progress || c.deadline == nil:
		c.setDeadline(c.loop.server.opts.FrameTimeout)
		c.loop.enlist(c.deadline)
	}
}

func (c *conn) handle(ev *event) {
	switch ev.kind {
	case eventClose:
		c.bye(ev.code)
		return
	case eventBroken:
		c.broken(ev.code)
		return
	}
	if c.is(muted) {
		return
	}
	switch ev.kind {
	case eventPing:
		if c.within() {
			c.link.Ping(ev.payload)
		} else {
			c.exceeded()
		}
	case eventPong:
		c.link.Pong(ev.payload)
	case eventMessage:
		c.charge(ev.fragments / fragmentsPerMessage)
		switch {
		case c.is(deaf):
		case c.is(proving):
			c.link.(*entrance).message(ev)
		case c.is(speaksV1):
			c.v1Message(ev)
		default:
			c.plainMessage(ev)
		}
	}
}

// bye takes the remote's Close. If it began, the broker closes too, and repeats its code.
func (c *conn) bye(code ws.StatusCode) {
	c.set(byeHeard)
	if c.is(closing) {
		c.set(deaf)
		c.linger()
		return
	}
	c.setDeadline(lingerTimeout)
	if code == ws.StatusNoStatusRcvd {
		code = 0 // answered by a Close without a code
	}
	c.fail(protocol.CodeNone, protocol.CloseCode(code))
}

// broken ends a conn whose input is no WebSocket stream.
func (c *conn) broken(code ws.StatusCode) {
	if code == ws.StatusMessageTooBig && c.is(proving) {
		c.fail(protocol.CodeProofRequired, protocol.CloseProofRequired)
		return
	}
	if code == ws.StatusMessageTooBig {
		c.fail(protocol.CodeMessageTooLarge, protocol.CloseTooLarge)
		return
	}
	c.fail(protocol.CodeNone, protocol.CloseCode(code))
}

// plainMessage takes a message of the plain profile.
func (c *conn) plainMessage(ev *event) {
	e := &c.loop.envelope
	err := e.Parse(ev.payload)
	if err == protocol.ErrUTF8 && !ev.binary {
		c.fail(protocol.CodeNone, protocol.CloseInvalidData)
		return
	}
	if !c.within() {
		c.refuseExcess(e.To, nil)
		return
	}
	if err != nil {
		c.link.Refuse(protocol.CodeInvalidMessage, nil, nil)
		return
	}
	if e.HasFrom {
		if from := c.loop.from.read(e.From); from == nil || *from != c.id {
			c.link.Refuse(protocol.CodeFromMismatch, protocol.EchoTo(e.To), nil)
			return
		}
	}
	to := c.loop.to.read(e.To)
	if to == nil {
		c.link.Refuse(protocol.CodeUserNotFound, protocol.EchoTo(e.To), nil)
		return
	}
	s := &c.loop.submission
	*s = actors.Submission{}
	s.To, s.Payload, s.Size = *to, e.Payload, len(ev.payload)
	if e.Exact && len(e.From) == protocol.UserIDLen && len(e.To) == protocol.UserIDLen {
		s.Frame = ev.payload // with ids that have no escapes in them
	}
	c.link.Submit(s)
}

// v1Message takes a message of the enigma.v1 profile.
func (c *conn) v1Message(ev *event) {
	f := &c.loop.frame
	err := f.Parse(ev.payload)
	if err == protocol.ErrUTF8 && !ev.binary {
		c.fail(protocol.CodeNone, protocol.CloseInvalidData)
		return
	}
	if err == nil && f.Type == protocol.FrameProof && c.is(challenged) {
		c.fail(protocol.CodeProofRequired, protocol.CloseProofRequired) // there is one attempt
		return
	}
	if err == nil && f.Type == protocol.FrameRecv {
		c.link.Recv(f.Seq) // counted if it is of no use: a receiver is not to be slower than its senders together
		return
	}
	if !c.within() {
		c.refuseExcess(f.To, f.ID)
		return
	}
	if err != nil || f.Type != protocol.FrameSend || f.TTL > c.loop.limits.TTL {
		c.link.Refuse(protocol.CodeInvalidMessage, echo(f.To), f.ID)
		return
	}
	to := c.loop.to.read(f.To)
	if to == nil {
		c.link.Refuse(protocol.CodeUserNotFound, protocol.EchoTo(f.To), f.ID)
		return
	}
	s := &c.loop.submission
	*s = actors.Submission{}
	s.To, s.Payload, s.ID, s.TTL, s.Size = *to, f.Payload, f.ID, f.TTL, len(ev.payload)
	c.link.Submit(s)
}

// echo is what an error repeats of a recipient, nil for none.
func echo(to []byte) []byte {
	if to == nil {
		return nil
	}
	return protocol.EchoTo(to)
}

// within counts a frame against the conn's rate and reports whether it is within it.
func (c *conn) within() bool {
	rate := c.loop.server.opts.RateMessages
	if rate < 0 || c.is(unlimited) {
		return true
	}
	now := c.loop.shard.Now()
	if c.quota <= now {
		c.excess = 0 // the bucket has been full
	}
	var ok bool
	c.quota, ok = take(c.quota, now, rate)
	return ok
}

// fragmentsPerMessage is how many fragments cost as much as a message.
const fragmentsPerMessage = 64

// wasted returns how many frames have come of which the broker has found out that they were of no use.
func (c *conn) wasted() int {
	if c.is(unlimited | closing | detached) {
		return 0
	}
	return c.link.Waste()
}

// charge counts frames that are not answered as so many messages.
func (c *conn) charge(frames int) {
	for range frames {
		if !c.within() && c.exceeded() {
			return
		}
	}
}

// refuseExcess answers a frame over the rate.
func (c *conn) refuseExcess(to, id []byte) {
	if !c.exceeded() {
		c.link.Refuse(protocol.CodeRateLimited, echo(to), id)
	}
}

// exceeded counts a frame over the rate. It closes the conn and reports so when as many as two bursts were refused and
// the conn was never silent for long enough to fill its bucket.
func (c *conn) exceeded() bool {
	c.excess++
	if int(c.excess) <= 2*c.loop.server.opts.RateMessages {
		return false
	}
	c.fail(protocol.CodeRateLimited, protocol.ClosePolicy)
	return true
}
