package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Option configures [Dial], [DialKey], [Login] and [PublicKey]. The latter two heed [WithTLS], [WithHeader] and
// [WithDialer] only.
type Option func(*config)

// DialFunc opens a byte stream to addr ("host:port"), like net.Dialer.DialContext. Deadlines must work on the result.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

type config struct {
	tls           *tls.Config
	header        http.Header
	dial          DialFunc
	log           *slog.Logger
	prover        Prover
	key           *Key // the prover, if it is one
	requireV1     bool
	requireProof  bool
	outbox        int
	readLimit     int
	minDelay      time.Duration
	maxDelay      time.Duration
	idle          time.Duration
	answerTimeout time.Duration
	lastSeq       uint64
	state         func(connected bool)
}

const (
	// connectTimeout bounds one attempt to reconnect, from the name look-up to the server's ready.
	connectTimeout = 20 * time.Second
	// closeTimeout bounds the closing handshake. The server's own bound is one second.
	closeTimeout = 2 * time.Second
	// confirmDelay is how long a confirm waits for others to join it while more messages are at hand.
	confirmDelay = 20 * time.Millisecond
	// maxWait bounds what a server can ask for with going_away or Retry-After.
	maxWait = time.Minute
)

func newConfig(opts []Option) (*config, error) {
	c := &config{
		dial:          (&net.Dialer{}).DialContext,
		log:           slog.New(slog.DiscardHandler),
		outbox:        256,
		readLimit:     1 << 20,
		minDelay:      250 * time.Millisecond,
		maxDelay:      30 * time.Second,
		idle:          30 * time.Second,
		answerTimeout: 15 * time.Second,
		state:         func(bool) {},
	}
	for _, o := range opts {
		o(c)
	}
	return c, c.check()
}

func (c *config) check() error {
	switch {
	case c.dial == nil || c.log == nil || c.state == nil:
		return errors.New("enigma: WithDialer, WithLogger and WithStateFunc must not be given nil")
	case c.outbox < 1:
		return fmt.Errorf("enigma: WithOutbox(%d): must be 1 or more", c.outbox)
	case c.readLimit < 4096:
		return fmt.Errorf("enigma: WithReadLimit(%d): must be 4096 or more", c.readLimit)
	case c.minDelay <= 0 || c.maxDelay < c.minDelay:
		return fmt.Errorf("enigma: WithBackoff(%v, %v): must be above zero, the second not below the first", c.minDelay, c.maxDelay)
	case c.idle <= 0 || c.answerTimeout <= 0:
		return fmt.Errorf("enigma: WithHeartbeat(%v, %v): must be above zero", c.idle, c.answerTimeout)
	case c.requireProof && c.prover == nil:
		return errors.New("enigma: RequireProof without WithKey or WithProver: there is nothing to prove with")
	case c.lastSeq > protocol.MaxSeq:
		return fmt.Errorf("enigma: WithLastSeq(%d): above the highest sequence number", c.lastSeq)
	}
	for k := range c.header {
		switch k = http.CanonicalHeaderKey(k); {
		case k == "Host", k == "Upgrade", k == "Connection", k == "Content-Length", strings.HasPrefix(k, "Sec-Websocket-"):
			return fmt.Errorf("enigma: WithHeader must not set %s", k)
		}
	}
	return nil
}

// WithTLS sets the TLS configuration for https and wss. It is cloned; without a ServerName the URL's host is used.
func WithTLS(cfg *tls.Config) Option { return func(c *config) { c.tls = cfg.Clone() } }

// WithHeader adds headers to every HTTP request and WebSocket handshake.
func WithHeader(h http.Header) Option { return func(c *config) { c.header = h.Clone() } }

// WithDialer replaces the TCP dialer, for instance to go through a proxy: those named in the environment are not
// used. TLS comes on top of what it returns.
func WithDialer(dial DialFunc) Option { return func(c *config) { c.dial = dial } }

// WithLogger sets where connection events go. Nothing is logged by default. Logs hold no key, id or payload.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// WithProver sets what answers the server's challenge, such as [KeyProver], without demanding that there is one. Without a
// Prover the client declines to prove possession of its key, which a server admits or not by its policy.
func WithProver(p Prover) Option { return func(c *config) { c.prover, c.key = p, nil } }

// WithKey has the client prove that it holds the user's private key, and demand of the server that it asks: it is
// WithProver(k) and [RequireProof]. The key's user must be the one that is dialled.
func WithKey(k *Key) Option {
	return func(c *config) {
		c.key, c.prover, c.requireProof, c.requireV1 = k, nil, true, true
		if k != nil {
			c.prover = k
		}
	}
}

// RequireProof makes a server an error that does not speak enigma.v1 ([ErrNoV1]), or lets the user in without a proof
// ([ErrNotProven]), on every connection. Without it a server, or who poses as one, decides whether to ask.
func RequireProof() Option {
	return func(c *config) { c.requireProof, c.requireV1 = true, true }
}

// RequireV1 makes a server without enigma.v1 an error, [ErrNoV1]. Without it the client falls back to the plain
// profile and its weaker promises.
func RequireV1() Option { return func(c *config) { c.requireV1 = true } }

// WithOutbox sets how many messages may wait for their answer, default 256. More make Send wait. At most so many as
// the server's limits say are on their way at once.
func WithOutbox(messages int) Option { return func(c *config) { c.outbox = messages } }

// WithReadLimit sets the largest frame taken from the server in bytes, default 1 MiB. It must exceed the server's
// limit on messages by 1 KiB. A connection that brings a larger one is closed.
func WithReadLimit(bytes int) Option { return func(c *config) { c.readLimit = bytes } }

// WithBackoff sets the bounds of the delay before a reconnect, default 250 ms and 30 s. It doubles with every failure
// and is multiplied by a random factor between ½ and 1. A connection that lasted longer than the upper bound resets it.
func WithBackoff(lowest, highest time.Duration) Option {
	return func(c *config) { c.minDelay, c.maxDelay = lowest, highest }
}

// WithHeartbeat sets after how much silence the client sends a Ping, default 30 s, and how much longer it waits before
// it takes the server for dead and reconnects, default 15 s. A write that makes no headway for the sum of both, or for
// the server's own idle timeout if that is longer, has the same effect.
func WithHeartbeat(idle, answer time.Duration) Option {
	return func(c *config) { c.idle, c.answerTimeout = idle, answer }
}

// WithStateFunc sets what is called with false when the connection is lost, before each attempt to connect anew, and with
// true when there is one again; not for the first connection, nor for the end of the Client. It is called on a goroutine of
// the Client's, which does nothing else meanwhile.
func WithStateFunc(f func(connected bool)) Option { return func(c *config) { c.state = f } }

// WithLastSeq sets the [Message.Seq] up to which an earlier Client of this user, in an earlier process say, has
// processed everything ([Client.Confirmed]). The server is told, and messages up to it are not surfaced again. It must
// come from the same user on the same server.
func WithLastSeq(seq uint64) Option { return func(c *config) { c.lastSeq = seq } }
