package client

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Client is one user's link to a server, over as many connections as it takes. All methods are safe for concurrent
// use.
type Client struct {
	// Static after construction.
	cfg    *config
	server *endpoint
	id     string
	life   context.Context // ends the waiting and connecting of run
	stop   context.CancelFunc

	// Channels. Those of capacity one carry a wake-up: look at the state again.
	slots   chan struct{} // one token per message in out
	arrived chan struct{} // cap 1: in has a message
	room    chan struct{} // cap 1: in has room
	errs    chan *Error
	drained chan struct{} // closed once
	closing chan struct{} // closed by Close
	done    chan struct{} // closed by run when it ends, after err is set

	mu       sync.Mutex
	out      outbox
	in       inbox
	cur      *conn // the connection being served; nil between two
	closed   bool  // closing is closed
	sawDrain bool  // a drained frame has been taken in
	ended    bool  // done is closed, or about to be
	err      error // why it ended
	v1       bool  // of the current connection, else the last
	proven   bool
	limits   protocol.Limits

	attempt int // owned by run: steps of the backoff since the last connection that lasted
}

// Dial connects a user that has logged in ([Login]) to its mail. It returns once the server says that the connection
// is ready, or with the first error: it does not try twice. ctx bounds the connecting only.
//
// From then on the Client reconnects by itself until [Client.Close], or until the server says that it must not: another
// connection of the same user took over ([ErrReplaced]), the user is unknown ([ErrUserNotFound]), or it must prove
// possession of its key ([ErrProofRequired]).
//
// serverURL is an http, https, ws or wss URL; a path is taken as a prefix.
func Dial(ctx context.Context, serverURL, userID string, opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	server, err := parseServer(serverURL)
	if err != nil {
		return nil, err
	}
	if err := checkID(userID); err != nil {
		return nil, err
	}
	if cfg.key != nil && cfg.key.ID() != userID {
		return nil, errors.New("enigma: the key of WithKey is another user's")
	}
	return start(ctx, newClient(cfg, server, userID))
}

// DialKey logs the public key in and connects its user: [Login] and [Dial] in one.
func DialKey(ctx context.Context, serverURL, publicKey string, opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	server, err := parseServer(serverURL)
	if err != nil {
		return nil, err
	}
	if cfg.key != nil && cfg.key.PublicKey() != publicKey {
		return nil, errors.New("enigma: the key of WithKey has another public key")
	}
	userID, err := server.login(ctx, cfg, publicKey)
	if err != nil {
		return nil, err
	}
	return start(ctx, newClient(cfg, server, userID))
}

func newClient(cfg *config, server *endpoint, userID string) *Client {
	c := &Client{
		cfg:     cfg,
		server:  server,
		id:      userID,
		slots:   make(chan struct{}, cfg.outbox),
		arrived: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		errs:    make(chan *Error, 64),
		drained: make(chan struct{}),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	c.in.upTo = cfg.lastSeq
	c.life, c.stop = context.WithCancel(context.Background())
	return c
}

func start(ctx context.Context, c *Client) (*Client, error) {
	cn, err := c.connect(ctx)
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("enigma: connect: %w", err)
	}
	c.adopt(cn)
	go c.run(cn)
	return c, nil
}

// ID returns the user's id.
func (c *Client) ID() string { return c.id }

// V1 reports whether the current connection speaks enigma.v1, or the last one between two. On the plain profile Send
// and Receive promise less; see the package comment.
func (c *Client) V1() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.v1
}

// Proven reports whether the server has accepted a proof of key possession on the current connection, or the last one.
func (c *Client) Proven() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

// Limits returns the limits that the server last announced. They are zero on the plain profile.
func (c *Client) Limits() protocol.Limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limits
}

// Errors returns errors from the server that answer no Send: those of the plain profile, and complaints about a frame
// that the server could not attribute. It holds 64; while it is full, further ones are dropped. It is never closed.
func (c *Client) Errors() <-chan *Error { return c.errs }

// Drained returns a channel that is closed once everything that was stored for the user when it first connected has
// been returned by Receive. On the plain profile, which has no such mark, it stays open.
func (c *Client) Drained() <-chan struct{} { return c.drained }

// Done returns a channel that is closed when the Client has ended and all its goroutines have.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the Client ended: [ErrClosed] after Close, an [*Error] if the server ended it, nil if it has not.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the Client. What was confirmed is told to the server first. Sends that are not answered yet return
// [ErrClosed], so wait for them before; messages not confirmed stay with the server, except on the plain profile, where
// Receive still returns those that have arrived.
//
// It waits for the server's goodbye, for 2 s at most, and for all goroutines. If ctx ends first it cuts the connection
// and returns ctx's error; the Client is closed all the same. Further calls wait likewise and return nil.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	first := !c.closed
	if first {
		c.closed = true
		close(c.closing)
	}
	cur := c.cur
	if first && cur != nil {
		cur.endBy(closeTimeout)
		cur.poke()
	}
	c.mu.Unlock()
	c.stop()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		if cur != nil {
			cur.kill(ctx.Err())
		}
		<-c.done
		return ctx.Err()
	}
}

// end settles everything and publishes why. Called by run, once.
func (c *Client) end(err error) {
	c.mu.Lock()
	c.err, c.ended = err, true
	for c.out.first != nil {
		m := c.out.first
		c.settle(m, unsent(m, err))
	}
	c.mu.Unlock()
	c.stop()
	close(c.done)
}

// unsent is the outcome of a message whose answer will not come.
func unsent(m *outgoing, err error) error {
	if m.ever {
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return err
}

// settle ends a message. Client.mu is held.
func (c *Client) settle(m *outgoing, err error) {
	if c.out.settle(m, err) {
		<-c.slots
	}
}

// report hands an error to whoever reads Errors, if somebody does.
func (c *Client) report(e *Error) {
	select {
	case c.errs <- e:
	default:
	}
}

// signal leaves a wake-up in a channel of capacity one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// isFinal returns the server's error if err holds one after which the Client must not reconnect.
func isFinal(err error) (*Error, bool) {
	var e *Error
	if errors.As(err, &e) && e.final() {
		return e, true
	}
	return nil, false
}
