package client

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/gobwas/ws"
)

// The reading half of a connection. It runs on the goroutine of Client.run, and waits for nobody, with one exception:
// on the plain profile, where there is nothing else that holds a server back, it waits for room in the inbox.

// serve runs a connection to its end and returns why it ended.
func (c *Client) serve(cn *conn) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write(cn)
	}()
	err := cn.explain(c.read(cn))
	select {
	case <-cn.dead:
		err = cn.cause // what the reader saw is only the consequence
	default:
	}
	c.part(cn, err)
	<-written
	cn.kill(err)
	c.abandon(cn, err)
	return err
}

// adopt makes a connection the current one.
func (c *Client) adopt(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cur, c.v1, c.proven, c.limits = cn, cn.v1, cn.proven, cn.limits
	c.in.attach()
	if c.closed {
		cn.endBy(closeTimeout)
	}
	if c.in.upTo > 0 && cn.v1 {
		cn.recvBy = cn.since // at once: what was confirmed while there was no connection
	}
	if !cn.v1 {
		// It has no ids: to write again what may have arrived would be a duplicate that nobody could tell.
		for m := c.out.first; m != nil; {
			next := m.next
			if m.ever {
				c.settle(m, fmt.Errorf("%w: reconnected without %s", ErrUnknownOutcome, protocol.Subprotocol))
			}
			m = next
		}
	}
}

// part begins the end of a connection: with a Close frame, unless the link is broken. The writer ends soon after it.
func (c *Client) part(cn *conn, err error) {
	var v *violation
	var e *Error
	var status protocol.CloseCode
	switch {
	case errors.As(err, &v):
		status = v.status
	case errors.As(err, &e) && e.Status != 0:
		if e.Status != noStatus {
			status = protocol.CloseCode(e.Status)
		}
	default:
		cn.kill(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cn.bye, cn.status = true, status
	cn.endBy(closeTimeout)
	cn.poke()
}

// abandon takes a connection that has ended out of use. What was written on it and not answered is written again on
// the next.
func (c *Client) abandon(cn *conn, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cur = nil
	if cn.cut != nil {
		cn.cut.Stop()
	}
	var e *Error
	if errors.As(err, &e) && e.Code == ErrMessageTooLarge.Code && cn.v1 && !cn.tooLarge {
		// It would be refused for ever, and every other message with it.
		if m := c.out.largest(); m != nil {
			c.settle(m, &Error{Code: e.Code, Text: e.Text, To: m.to, ID: m.id, Status: e.Status})
		}
	}
	for !cn.v1 && c.out.first != c.out.cursor {
		m := c.out.first
		c.settle(m, unsent(m, err))
	}
	c.out.rewind()
}

// read takes frames until the connection ends.
func (c *Client) read(cn *conn) error {
	if cn.early != nil {
		if err := c.takePlain(cn, cn.early); err != nil {
			return err
		}
		cn.early = nil
	}
	control := func(op ws.OpCode, payload []byte) error { return c.control(cn, op, payload) }
	for {
		op, data, err := cn.w.read(control)
		switch {
		case err != nil:
		case op != ws.OpText:
			err = control(op, data)
		case cn.v1:
			err = c.take(cn, data)
		default:
			var f *frame
			if f, err = parseFrame(data); err == nil {
				err = c.takePlain(cn, f)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (c *Client) control(cn *conn, op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		c.mu.Lock()
		// Only the last needs an answer (RFC 6455, section 5.5.3), which also bounds what waits.
		cn.pong = append(make([]byte, 0, len(payload)), payload...)
		c.mu.Unlock()
		cn.poke()
	case ws.OpClose:
		return cn.closedBy(payload)
	}
	return nil
}

// take handles one frame of the v1 profile.
func (c *Client) take(cn *conn, data []byte) error {
	f, err := parseFrame(data)
	if err != nil {
		return err
	}
	switch f.Type {
	case "message":
		return c.takeMessage(cn, f)
	case "ack":
		c.takeAnswer(cn, f, nil)
	case "error":
		c.takeAnswer(cn, f, f.asError())
	case "drained":
		c.takeDrained(cn)
	case "going_away":
		cn.takeGoingAway(f)
	case "":
		if f.Error == nil {
			return breach("frame without a type")
		}
		c.takeAnswer(cn, f, f.asError())
	case "ready", "challenge":
		return breach("%s on a ready connection", f.Type)
	default:
		// A later version of the protocol may say more.
		c.cfg.log.Debug("enigma: frame of an unknown type ignored")
	}
	return nil
}

func (c *Client) takeMessage(cn *conn, f *frame) error {
	m, err := f.message(c.id)
	if err != nil {
		return err
	}
	m.c, cn.reason = c, nil
	c.mu.Lock()
	defer c.mu.Unlock()
	if cn.shed || c.in.full(len(m.Payload)) {
		cn.shed = true
		return nil
	}
	before := c.in.upTo
	if c.in.accept(m) {
		signal(c.arrived)
	}
	if c.in.upTo > before {
		c.confirmSoon(cn)
	}
	return nil
}

// takeAnswer settles the message that an ack (e is nil) or an error is about.
func (c *Client) takeAnswer(cn *conn, f *frame, e *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.out.find(f.To, f.ID)
	switch {
	case e == nil:
		if m != nil {
			c.settle(m, nil)
			cn.poke() // the window has moved
		}
	case m != nil:
		e.To, e.ID = m.to, m.id
		cn.tooLarge = cn.tooLarge || e.Code == ErrMessageTooLarge.Code
		c.settle(m, e)
		cn.poke()
	case f.ID == "":
		cn.reason = e
		c.report(e)
	}
	// What names a message that is not here any more answers a Send that was given up.
}

func (c *Client) takeDrained(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sawDrain && !cn.shed {
		c.sawDrain = true
		c.in.whenDrained(func() { close(c.drained) })
	}
}

func (cn *conn) takeGoingAway(f *frame) {
	ms := min(max(f.ReconnectMs, 1), float64(maxWait/time.Millisecond))
	cn.comeBack = time.Duration(ms * float64(time.Millisecond))
}

// takePlain handles one frame of the plain profile.
func (c *Client) takePlain(cn *conn, f *frame) error {
	if f.Error != nil {
		cn.reason = f.asError()
		c.report(cn.reason)
		return nil
	}
	if f.From == "" && f.Payload == nil {
		c.cfg.log.Debug("enigma: frame of an unknown kind ignored")
		return nil
	}
	m, err := f.plainMessage(c.id)
	if err != nil {
		return err
	}
	m.c, cn.reason = c, nil
	defer cn.paused.Store(false)
	for {
		c.mu.Lock()
		if !c.in.fullPlain(len(m.Payload)) || c.closed {
			c.in.push(m)
			c.mu.Unlock()
			signal(c.arrived)
			return nil
		}
		c.mu.Unlock()
		cn.paused.Store(true)
		select {
		case <-c.room:
		case <-c.closing:
		case <-cn.dead:
			return net.ErrClosed
		}
	}
}
