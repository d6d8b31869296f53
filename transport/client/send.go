package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// SendOption configures one message.
type SendOption func(*outgoing) error

// WithID gives the message an id instead of a random one: 1 to 64 printable ASCII characters, never used before for
// another message to the same user. A caller that has to repeat a Send whose outcome it does not know, after a restart
// of its process say, must repeat the id.
func WithID(id string) SendOption {
	return func(m *outgoing) error {
		if !validID(id) {
			return errors.New("enigma: send: an id is 1 to 64 printable ASCII characters")
		}
		m.id = id
		return nil
	}
}

// WithTTL sets how long the server keeps the message for a user that does not fetch it. It is rounded up to seconds.
// The plain profile cannot say it, and ignores it.
func WithTTL(ttl time.Duration) SendOption {
	return func(m *outgoing) error {
		if ttl <= 0 {
			return fmt.Errorf("enigma: send: TTL of %v", ttl)
		}
		m.ttl = int64((ttl + time.Second - 1) / time.Second)
		return nil
	}
}

// NewID returns a message id of 128 random bits.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Send sends a message and returns nil once it is safe: durably stored by the server, or confirmed by its recipient.
// payload is valid UTF-8. Messages of consecutive Sends to one user arrive in their order.
//
// What the server refuses is an [*Error] and the message is not delivered. [ErrRateLimited] and [ErrStoreUnavailable]
// are among them: it is the caller who knows whether to try again, and when. While the server is out of reach Send waits,
// and a message that was written and not answered is written again, with the same id, on the next connection. While the
// outbox is full ([WithOutbox]) Send waits too.
//
// If ctx ends first, Send returns its error and the message is not written (again); if it was written before, the error
// is [ErrUnknownOutcome] too. [ErrInFlight] says that the id given is in use by a Send that has not returned.
//
// On the plain profile there is no answer: Send returns nil once the message is written to the connection, it may be
// lost, and what the server refuses comes out of [Client.Errors].
func (c *Client) Send(ctx context.Context, to, payload string, opts ...SendOption) error {
	r, err := c.Post(ctx, to, payload, opts...)
	if err != nil {
		return err
	}
	select {
	case <-r.m.settled:
	case <-ctx.Done():
		c.mu.Lock()
		c.settle(r.m, unsent(r.m, ctx.Err())) // does nothing if the answer came meanwhile
		c.mu.Unlock()
	}
	return r.m.err
}

// Receipt is a message on its way. Its methods are safe for concurrent use.
type Receipt struct{ m *outgoing }

// Post is Send that returns once the message is in the outbox, so that many may be on their way in a known order. ctx
// bounds the wait for room only: the message stays until it is answered or the Client ends.
func (c *Client) Post(ctx context.Context, to, payload string, opts ...SendOption) (*Receipt, error) {
	m, err := newOutgoing(to, payload, opts)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, c.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		err = c.err
	case c.closed:
		err = ErrClosed
	case !c.out.add(m):
		err = ErrInFlight
	}
	if err != nil {
		<-c.slots
		return nil, err
	}
	if c.cur != nil {
		c.cur.poke()
	}
	return &Receipt{m}, nil
}

func newOutgoing(to, payload string, opts []SendOption) (*outgoing, error) {
	if _, ok := protocol.ParseUserID(to); !ok {
		// The server would say the same of any other string, if the string fits its frame.
		return nil, &Error{Code: ErrUserNotFound.Code, Text: "not a user id", To: printable(to)}
	}
	if !utf8.ValidString(payload) {
		return nil, errors.New("enigma: send: the payload is not valid UTF-8")
	}
	m := &outgoing{to: to, payload: payload, settled: make(chan struct{})}
	for _, o := range opts {
		if err := o(m); err != nil {
			return nil, err
		}
	}
	if m.id == "" {
		m.id = NewID()
	}
	return m, nil
}

// ID returns the message's id.
func (r *Receipt) ID() string { return r.m.id }

// Done returns a channel that is closed when the outcome is known.
func (r *Receipt) Done() <-chan struct{} { return r.m.settled }

// Err returns the outcome once Done is closed: what Send would return. Before, it returns nil.
func (r *Receipt) Err() error {
	select {
	case <-r.m.settled:
		return r.m.err
	default:
		return nil
	}
}

// Wait waits for the outcome and returns it, or ctx's error. The message goes on being sent in either case.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case <-r.m.settled:
		return r.m.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
