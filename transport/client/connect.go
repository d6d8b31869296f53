package client

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/gobwas/ws"
)

// conn is one connection, from the opening handshake to its end.
type conn struct {
	w *wire

	// Set while connecting, static afterwards.
	v1     bool
	proven bool
	limits protocol.Limits
	early  *frame // plain: the first frame, which came before the Pong
	since  time.Time

	wake   chan struct{} // cap 1: the writer has something to do
	dead   chan struct{} // closed by kill
	once   sync.Once
	cause  error       // why it was killed; valid once dead is closed
	paused atomic.Bool // the reader waits for room: silence is our own doing

	// Owned by the reader, before that by who connects.
	reason   *Error        // the last error frame that answers no message, unless a message came after it
	comeBack time.Duration // from going_away; 0 if there was none
	tooLarge bool          // the message behind a close for size is known

	// Guarded by Client.mu.
	pong   []byte    // the last Ping's payload, to be returned; nil if there is none
	said   uint64    // the highest recv written
	unsaid int       // confirms since then
	recvBy time.Time // when a recv is to be written; zero if none is
	bye    bool      // a Close frame is to be written, with status; the writer ends after it
	status protocol.CloseCode
	cut    *time.Timer // kills the connection if its end takes too long; nil unless it is ending
	shed   bool        // messages were turned away: no later one may be taken on this connection
}

// noStatus stands for a Close frame without a status (RFC 6455, section 7.1.5); it is never sent.
const noStatus = 1005

// errShed ends a connection so that messages that were turned away come again.
var errShed = errors.New("enigma: fetching messages that found no room")

// kill ends the connection. The first cause counts. It never blocks.
func (cn *conn) kill(cause error) {
	cn.once.Do(func() {
		cn.cause = cause
		cn.w.raw.Close()
		close(cn.dead)
	})
}

// endBy bounds what is left of the connection's life. Client.mu is held.
func (cn *conn) endBy(d time.Duration) {
	if cn.cut == nil {
		cn.cut = time.AfterFunc(d, func() { cn.kill(ErrDead) })
	}
}

// poke has the writer look at the state.
func (cn *conn) poke() { signal(cn.wake) }

// connect returns a connection that is ready.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	stream, raw, err := c.server.dial(ctx, c.cfg)
	if err != nil {
		return nil, err
	}
	cut := context.AfterFunc(ctx, func() { raw.Close() })
	cn, err := c.open(ctx, stream, raw)
	if !cut() {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return cn, nil
}

// open does the handshakes: WebSocket's, then the profile's.
func (c *Client) open(ctx context.Context, stream, raw net.Conn) (*conn, error) {
	var refused *Error
	d := ws.Dialer{
		Protocols: []string{protocol.Subprotocol},
		Header:    ws.HandshakeHeaderHTTP(c.cfg.header),
		OnStatusError: func(_ int, _ []byte, resp io.Reader) {
			refused = readHTTPError(resp)
		},
	}
	w, chosen, err := upgrade(stream, raw, c.server.webSocket(c.id), d, protocol.MaxProofFrame)
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, err
	}
	cn := &conn{w: w, v1: chosen != "", wake: make(chan struct{}, 1), dead: make(chan struct{})}
	switch {
	case cn.v1:
		err = c.awaitReady(ctx, cn)
	case c.cfg.requireV1:
		err = ErrNoV1
	default:
		w.limit = int64(c.cfg.readLimit)
		err = c.awaitPong(cn)
	}
	if err != nil {
		cn.farewell(err)
		return nil, err
	}
	w.limit = int64(c.cfg.readLimit)
	cn.since = time.Now()
	return cn, nil
}

// farewell tells the server, if it still listens, why the connection ends before it was ready.
func (cn *conn) farewell(err error) {
	status := protocol.CloseNormal
	var v *violation
	var e *Error
	switch {
	case errors.As(err, &v):
		status = v.status
	case errors.As(err, &e) && e.Status == noStatus:
		status = 0
	case errors.As(err, &e) && e.Status != 0:
		status = protocol.CloseCode(e.Status)
	}
	// Best effort: the connection is closed right after.
	_ = cn.w.write(appendClose(nil, status), time.Second)
}

// nextEarly returns the next text frame or Pong before ready. Pings are answered, a close is an error.
func (cn *conn) nextEarly() (op ws.OpCode, data []byte, err error) {
	control := func(op ws.OpCode, payload []byte) error {
		switch op {
		case ws.OpPing:
			return cn.w.write(appendFrame(nil, ws.OpPong, payload), time.Second)
		case ws.OpClose:
			return cn.closedBy(payload)
		}
		return nil
	}
	for {
		op, data, err := cn.w.read(control)
		if err == nil && op != ws.OpText {
			err = control(op, data)
		}
		if err != nil {
			return 0, nil, cn.explain(err)
		}
		if op == ws.OpText || op == ws.OpPong {
			return op, data, nil
		}
	}
}

// awaitReady goes through the v1 profile's opening: a challenge perhaps, then ready.
func (c *Client) awaitReady(ctx context.Context, cn *conn) error {
	challenged := false
	for {
		op, data, err := cn.nextEarly()
		if err != nil {
			return err
		}
		if op != ws.OpText {
			continue
		}
		f, err := parseFrame(data)
		if err != nil {
			return err
		}
		switch f.Type {
		case "challenge":
			if challenged {
				return breach("second challenge")
			}
			challenged = true
			err = c.prove(ctx, cn, f)
		case "ready":
			return c.ready(cn, f, challenged)
		case "error", "":
			cn.reason = f.asError()
		case "message", "ack", "drained":
			return breach("%s before ready", f.Type)
		}
		if err != nil {
			return err
		}
	}
}

// prove answers a challenge. Without a prover it declines.
func (c *Client) prove(ctx context.Context, cn *conn, f *frame) error {
	challenge, err := f.challenge()
	if err != nil {
		return err
	}
	var p protocol.Proof
	if c.cfg.prover != nil {
		user, _ := protocol.ParseUserID(c.id) // checked by Dial
		claim := protocol.Claim{Authority: c.server.authority, User: user}
		if p, err = c.cfg.prover.Prove(ctx, challenge, claim); err != nil {
			return err
		}
	}
	return cn.w.write(appendFrame(nil, ws.OpText, protocol.AppendProof(nil, p)), c.cfg.answerTimeout)
}

func (c *Client) ready(cn *conn, f *frame, challenged bool) (err error) {
	if f.UserID != c.id {
		return breach("ready for another user")
	}
	if cn.proven = f.Proven; c.cfg.requireProof && !(challenged && cn.proven) {
		return ErrNotProven
	}
	cn.limits, err = f.limits()
	return err
}

// awaitPong makes sure that a plain connection stands. It has no ready: an unknown user gets an error and a close after
// the upgrade, which a Ping's answer tells apart from silence.
func (c *Client) awaitPong(cn *conn) error {
	if err := cn.w.write(appendFrame(nil, ws.OpPing, nil), c.cfg.answerTimeout); err != nil {
		return err
	}
	for {
		op, data, err := cn.nextEarly()
		if err != nil || op == ws.OpPong {
			return err
		}
		f, err := parseFrame(data)
		if err != nil {
			return err
		}
		if f.Error == nil {
			cn.early = f
			return nil
		}
		cn.reason = f.asError()
	}
}

// closedBy is the error that a Close frame of the server stands for.
func (cn *conn) closedBy(payload []byte) error {
	status, text, err := parseClose(payload)
	if err != nil {
		return err
	}
	e := &Error{Code: codeOfClose(status), Text: text, Status: int(status)}
	if e.Status == 0 {
		e.Status = noStatus
	}
	// The error frame before a close says more than the close. A planned close, though, has nothing to do with what
	// may have gone wrong before.
	if r := cn.reason; r != nil && status != protocol.CloseGoingAway && (e.Code == "" || e.Code == r.Code) {
		e.Code, e.Text = r.Code, r.Text
	}
	return e
}

// explain makes more of the end of the stream: an error frame may have come before it.
func (cn *conn) explain(err error) error {
	var v *violation
	var e *Error
	if errors.As(err, &v) || errors.As(err, &e) || cn.reason == nil {
		return err
	}
	return cn.reason
}
