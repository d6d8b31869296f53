package actors

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Delivery are the knobs of delivery. The defaults are the wire contract's.
type Delivery struct {
	ConfirmInterval time.Duration // between two fences that ride with data, default 100 ms
	SpillAfter      time.Duration // unconfirmed for so long: stored, default 1 s
	IdleTimeout     time.Duration // of silence until a liveness Ping, default 60 s
	TTL             time.Duration // of stored mail, default 30 days
	OutboxBytes     int           // unconfirmed per user, default 256 KiB
	CreditMessages  int           // submitted and not settled per conn, default 256
	CreditBytes     int           // the same in bytes, default 1 MiB
}

// DefaultDelivery returns the defaults.
func DefaultDelivery() Delivery {
	return Delivery{
		ConfirmInterval: 100 * time.Millisecond, SpillAfter: time.Second, IdleTimeout: time.Minute, TTL: 30 * 24 * time.Hour,
		OutboxBytes: 256 << 10, CreditMessages: 256, CreditBytes: 1 << 20,
	}
}

// Auth is the policy on proofs of key possession: from whom a proof is demanded. Whatever it is, a conn that has proved
// is not replaced by one that has not.
type Auth uint8

// The policies of the wire contract.
const (
	AuthLock    Auth = iota // from users who have given one before; the default
	AuthRequire             // from everybody; keys that cannot be proved may not log in
	AuthOpen                // from nobody
)

type config struct {
	store       Store
	logger      *slog.Logger
	clock       Clock
	limits      protocol.Limits
	delivery    Delivery
	auth        Auth
	memory      int64
	shards      int
	storeActors int
	poller      func(*Shard) (Poller, error)
	system      *actor.ActorSystem
	prefix      string
	events      bool
}

func defaultConfig() config {
	return config{
		logger: slog.New(slog.DiscardHandler), clock: NewClock(), limits: protocol.DefaultLimits(),
		delivery: DefaultDelivery(), memory: 1 << 30, shards: 1, storeActors: 2, prefix: "enigma/",
		poller: func(*Shard) (Poller, error) { return newParker(), nil },
	}
}

func (c *config) check() error {
	d := &c.delivery
	switch {
	case c.store == nil:
		return errors.New("actors: WithStore is missing")
	case c.shards < 1 || c.storeActors < 1:
		return errors.New("actors: at least one shard and one persistence actor")
	case d.ConfirmInterval <= 0 || d.SpillAfter <= 0 || d.IdleTimeout <= 0 || d.TTL < time.Second:
		return errors.New("actors: times must be above zero, and TTL a second or more")
	case d.OutboxBytes < 1 || d.CreditMessages < 1 || d.CreditBytes < 1 || c.memory < 1:
		return errors.New("actors: bounds must be above zero")
	case c.prefix == "" || isDigit(c.prefix[len(c.prefix)-1]):
		return fmt.Errorf("actors: prefix %q: a number follows it, so it must be something that does not end in a digit", c.prefix)
	case c.auth > AuthOpen:
		return errors.New("actors: no such Auth")
	case d.OutboxBytes > 1<<30 || d.CreditBytes > 1<<30 || d.CreditMessages > 1<<30:
		return fmt.Errorf("actors: an outbox of %d bytes, or credit of %d messages and %d bytes, is over 1 GiB",
			d.OutboxBytes, d.CreditMessages, d.CreditBytes)
	case d.SpillAfter > longestWait || d.IdleTimeout > longestWait:
		return fmt.Errorf("actors: SpillAfter %v or IdleTimeout %v is over %v", d.SpillAfter, d.IdleTimeout, longestWait)
	}
	c.limits.TTL = int64(d.TTL / time.Second)
	c.limits.IdleTimeoutMS = d.IdleTimeout.Milliseconds()
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Option configures a [Broker].
type Option func(*config)

// WithStore gives the store. It is required; the broker does not close it.
func WithStore(s Store) Option { return func(c *config) { c.store = s } }

// WithLogger gives the logger; without it nothing is logged. No key, payload or user id is ever logged.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithClock gives the source of time.
func WithClock(clock Clock) Option { return func(c *config) { c.clock = clock } }

// WithLimits gives the limits that clients are told. TTL and IdleTimeoutMS follow from WithDelivery.
func WithLimits(l protocol.Limits) Option { return func(c *config) { c.limits = l } }

// WithDelivery gives the knobs of delivery.
func WithDelivery(d Delivery) Option { return func(c *config) { c.delivery = d } }

// WithAuth gives the policy on proofs; the default is AuthLock.
func WithAuth(auth Auth) Option { return func(c *config) { c.auth = auth } }

// WithMemory bounds the buffered mail of the whole broker, in bytes; the default is 1 GiB.
func WithMemory(bytes int64) Option { return func(c *config) { c.memory = bytes } }

// WithShards gives the number of event loops; the default is one.
func WithShards(n int) Option { return func(c *config) { c.shards = n } }

// WithStoreActors gives the number of persistence actors, and so of store calls at a time; the default is two.
func WithStoreActors(n int) Option { return func(c *config) { c.storeActors = n } }

// WithPoller gives what a shard waits on; the default waits for posted jobs and timers alone.
func WithPoller(f func(*Shard) (Poller, error)) Option { return func(c *config) { c.poller = f } }

// WithSystem has the broker run in the host's actor system, its actors named by prefix and a number: one name
// for each persistence actor, one for all users of a shard, who leave the system's registry at once. Brokers in one system
// need different prefixes. The broker leaves the rest of the system alone: it logs nothing through it that the library
// does not log of any actor, and [Broker.Shutdown] stops the broker's own actors only. Without this option the broker has
// a system of its own.
func WithSystem(system *actor.ActorSystem, prefix string) Option {
	return func(c *config) { c.system, c.prefix = system, prefix }
}

// WithEvents has the broker publish an *[Event] on the EventStream of its actor system whenever a user attaches or
// detaches, and when mail is parked, refused or dropped: see [Broker.System]. Subscribers run one after the other on a
// goroutine of the broker; when they fall 8,192 events behind, further ones are dropped, which Stats counts. Mail that
// is delivered live makes no event and costs nothing, with this option or without.
func WithEvents() Option { return func(c *config) { c.events = true } }
