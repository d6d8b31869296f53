package client

import (
	"context"
	"time"
)

// Message is a message for the user. Its fields must not be written to; Confirm is safe for concurrent use.
type Message struct {
	From    string // the sender's user id
	To      string // this user's id
	Payload string // escaped lone surrogates have become U+FFFD
	ID      string // the sender's id for it; empty if the sender uses the plain profile, or this connection does

	Seq         uint64    // its place in this user's order, rising for ever; 0 on the plain profile
	Time        time.Time // when the server took it in; zero on the plain profile
	Redelivered bool      // a hint that it may have been delivered before, to an earlier process say

	c    *Client
	fate *fate // guarded by Client.mu; nil on the plain profile
}

// Confirm is [Client.Confirm] of this message.
func (m *Message) Confirm() { m.c.Confirm(m) }

// Receive returns the next message, in the server's order. The server keeps it, and delivers it to the user's next
// Client again, until it has been confirmed. A message comes out of one Client once, however often the server delivers
// it.
//
// It returns ctx's error, or the reason why the Client ended ([Client.Err]). Several callers share the messages.
//
// On the plain profile there is nothing to confirm: a message that has reached this process is gone from the server.
func (c *Client) Receive(ctx context.Context) (*Message, error) {
	for {
		if m := c.next(); m != nil {
			return m, nil
		}
		select {
		case <-c.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.done:
			// Mail of the plain profile may have come with the end; it exists nowhere else.
			if m := c.next(); m != nil {
				return m, nil
			}
			return nil, c.err
		}
	}
}

// next takes a message from the inbox, nil if there is none.
func (c *Client) next() *Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.v1 && (c.closed || c.ended) {
		// It could not be confirmed any more, and would be handled twice.
		return nil
	}
	m := c.in.pop()
	if m == nil {
		return nil
	}
	if c.in.queued() > 0 {
		signal(c.arrived) // for another Receive
	}
	signal(c.room)
	c.refetch()
	return m
}

// Confirm says that a message has been processed and must not be delivered again. It does not wait. Messages may be
// confirmed in any order; the server learns of a message once all before it are confirmed too. Confirming twice, or a
// message of the plain profile, does nothing.
//
// Confirm in good time: a server sends 256 messages ahead of the confirms and then waits. Those count as well that
// Receive does not return, since their senders have sent them again: do not wait for more before you confirm, or not
// for long.
//
// Confirms are sent soon, several at a time. If the Client ends before, or the connection breaks and never comes back,
// the server delivers the messages again to the user's next Client.
func (c *Client) Confirm(m *Message) {
	if m.c != c || m.fate == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.in.confirm(m) {
		return
	}
	if c.cur != nil {
		c.confirmSoon(c.cur)
	}
	c.refetch()
}

// Confirmed returns the seq up to which all messages are confirmed, for [WithLastSeq].
func (c *Client) Confirmed() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.upTo
}

// confirmSoon has the connection send a recv: at once if nothing else is at hand that would soon be confirmed too, or
// if the server could run into its bound of unconfirmed messages. Client.mu is held.
func (c *Client) confirmSoon(cn *conn) {
	if !cn.v1 || c.in.upTo <= cn.said {
		return
	}
	cn.unsaid++
	now := time.Now()
	switch {
	case c.in.queued() == 0 || cn.unsaid >= max(cn.limits.MaxUnacked/4, 1):
		cn.recvBy = now
	case cn.recvBy.IsZero():
		cn.recvBy = now.Add(confirmDelay)
	default:
		return
	}
	cn.poke()
}

// refetch reconnects once there is room for messages that were turned away: the server delivers what is not confirmed
// on a new connection only. Client.mu is held.
func (c *Client) refetch() {
	if c.cur != nil && c.cur.shed && c.in.low() {
		c.cur.kill(errShed)
	}
}
