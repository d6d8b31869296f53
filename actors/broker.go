package actors

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Broker is the whole of the actor system: the shards with their users, and the persistence actors. Its methods are
// for any goroutine, unless their comment says otherwise.
type Broker struct {
	config     config
	log        *slog.Logger
	system     *actor.ActorSystem
	shards     []*Shard
	persisters []*persister
	budget     budget
	seqs       seqs
	offset     atomic.Int64 // from the monotonic clock to the wall clock, milliseconds

	herald *herald // nil without WithEvents

	storeDown atomic.Bool
	probing   atomic.Bool

	// Counters of what happens beside the shards.
	calls       callMeter
	logins      atomic.Uint64
	appended    atomic.Uint64
	batches     atomic.Uint64
	expired     atomic.Uint64
	storeErrors atomic.Uint64
	nilMessages atomic.Uint64
	panics      atomic.Uint64 // of the store and of subscribers
	lost        atomic.Uint64 // at the end, because the store would not take them

	mark   uint64 // of the ids that are made up here, random
	ids    atomic.Uint64
	names  atomic.Uint64
	ending atomic.Bool // Shutdown was called
	closed atomic.Bool
	quit   chan struct{}
	tasks  sync.WaitGroup
	over   chan struct{} // closed when Shutdown has its result
	result error
}

// Error is an error with the code that the wire contract gives it.
type Error struct {
	Code protocol.Code
	Err  error // what caused it, or nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Code.Text()
	}
	return e.Code.Text() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of an error that a Broker's method returned: CodeNone for nil, CodeStoreUnavailable for one
// without a code, such as a ctx that ended.
func CodeOf(err error) protocol.Code {
	if err == nil {
		return protocol.CodeNone
	}
	if coded, ok := errors.AsType[*Error](err); ok {
		return coded.Code
	}
	return protocol.CodeStoreUnavailable
}

// New starts a broker. The error is the store's: it must be reachable at the start.
func New(opts ...Option) (*Broker, error) {
	b := &Broker{config: defaultConfig(), quit: make(chan struct{}), over: make(chan struct{})}
	for _, opt := range opts {
		opt(&b.config)
	}
	if err := b.config.check(); err != nil {
		return nil, err
	}
	b.log = b.config.logger
	b.budget.limit = b.config.memory
	b.mark = b.nonce()
	if b.config.events {
		b.herald = newHerald()
	}
	b.setWall()
	b.system = b.config.system
	if b.system == nil {
		b.system = newSystem(b.log)
	}
	if err := b.seqs.open(b); err != nil {
		b.undo()
		return nil, err
	}
	if err := b.startShards(); err != nil {
		b.undo()
		return nil, err
	}
	if b.herald != nil {
		go b.publish()
	}
	b.tasks.Go(func() { b.seqs.keep(b) })
	b.tasks.Go(b.expire)
	return b, nil
}

func (b *Broker) startShards() error {
	for range b.config.storeActors {
		if err := b.spawnPersister(); err != nil {
			return err
		}
	}
	for i := range b.config.shards {
		s := newShard(b, i)
		poller, err := b.config.poller(s)
		if err != nil {
			return fmt.Errorf("poller of shard %d: %w", i, err)
		}
		s.poller = poller
		b.shards = append(b.shards, s)
	}
	for _, s := range b.shards {
		go s.loop()
	}
	return nil
}

// undo stops what a start that failed has begun.
func (b *Broker) undo() {
	for _, s := range b.shards {
		s.poller.Close()
	}
	for _, p := range b.persisters {
		b.system.Root.Stop(p.pid)
		p.queue.drain(context.Background(), true)
	}
	if b.config.system == nil {
		b.system.Shutdown()
	}
}

func (b *Broker) spawnPersister() error {
	p := &persister{
		broker: b, store: b.config.store, queue: newOpQueue(),
		blocked: make(map[protocol.UserID]*line), phases: make(map[protocol.UserID]opKind),
	}
	p.calls.replies = make(map[*Shard][]*op)
	p.calls.confirmOf = make(map[protocol.UserID]int)
	props := actor.PropsFromProducer(func() actor.Actor { return p },
		actor.WithMailbox(func() actor.Mailbox { return p.queue }), actor.WithGuardian(guardian{}))
	pid, err := b.spawn(props)
	if err != nil {
		return fmt.Errorf("persistence actor: %w", err)
	}
	p.pid = pid
	b.persisters = append(b.persisters, p)
	return nil
}

// nextName returns an actor name that is used once.
func (b *Broker) nextName() string {
	return fmt.Sprintf("%s%d", b.config.prefix, b.names.Add(1))
}

// spawn starts an actor under the next name that nobody else in the system has taken. The first one must be free: if it
// is not, another broker has the same prefix.
func (b *Broker) spawn(props *actor.Props) (*actor.PID, error) {
	for {
		pid, err := b.system.Root.SpawnNamed(props, b.nextName())
		if err == nil {
			return pid, nil
		}
		if !errors.Is(err, actor.ErrNameExists) || b.names.Load() == 1 {
			return nil, fmt.Errorf("spawn an actor whose name begins with %q: %w", b.config.prefix, err)
		}
	}
}

// ShardFor returns the shard that owns a user.
func (b *Broker) ShardFor(id protocol.UserID) *Shard {
	if len(b.shards) == 1 {
		return b.shards[0]
	}
	return b.shards[binary.LittleEndian.Uint64(id[:])%uint64(len(b.shards))]
}

func (b *Broker) persisterOf(id protocol.UserID) int {
	return int(binary.LittleEndian.Uint64(id[8:]) % uint64(len(b.persisters)))
}

// storeFull reports whether accepted mail waits for a store that is full.
func (b *Broker) storeFull() bool {
	return slices.ContainsFunc(b.persisters, func(p *persister) bool { return p.full.Load() })
}

// System returns the actor system in which the broker runs: the host's, or its own.
func (b *Broker) System() *actor.ActorSystem { return b.system }

// Limits returns what clients are told of the limits.
func (b *Broker) Limits() protocol.Limits { return b.config.limits }

// Login makes a user known by its public key, durably, and returns its id. The same key always has the same id.
// Error codes: CodeBadRequest, CodeKeyTooLong, CodeStoreFull, CodeStoreUnavailable, with AuthRequire CodeKeyNotProvable.
func (b *Broker) Login(ctx context.Context, key []byte) (protocol.UserID, error) {
	if code := protocol.CheckKey(key); code != protocol.CodeNone {
		return protocol.UserID{}, &Error{Code: code}
	}
	if b.config.auth == AuthRequire {
		if _, ok := protocol.ParseProvableKey(key); !ok {
			return protocol.UserID{}, &Error{Code: protocol.CodeKeyNotProvable}
		}
	}
	id := protocol.NewUserID(key)
	_, err := b.ask(ctx, &op{kind: opPutKey, user: id, key: persistence.KeyRecord{Key: key}})
	if err == nil {
		b.logins.Add(1)
	}
	return id, err
}

// PublicKey returns the key that a user logged in with, byte for byte. Error codes: CodeUserNotFound,
// CodeStoreUnavailable.
func (b *Broker) PublicKey(ctx context.Context, id protocol.UserID) ([]byte, error) {
	o, err := b.ask(ctx, &op{kind: opKeys, user: id})
	if err != nil {
		return nil, err
	}
	if o.key.Key == nil {
		return nil, &Error{Code: protocol.CodeUserNotFound}
	}
	if protocol.NewUserID(o.key.Key) != id {
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: fmt.Errorf("key of another user: %w", persistence.ErrCorrupt)}
	}
	return o.key.Key, nil
}

// KeyToProve returns the key of a user who is about to connect. It is PublicKey, but a user with an actor is known while
// the store is away, as it is when the conn attaches. Not to be called on a shard.
func (b *Broker) KeyToProve(ctx context.Context, id protocol.UserID) ([]byte, error) {
	s := b.ShardFor(id)
	known := make(chan string, 1)
	posted := s.Post(jobFunc(func() {
		key := ""
		if u := s.users.get(&id); u != nil && u.state == standing {
			key = u.key
		}
		known <- key
	}))
	if !posted {
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: errClosed}
	}
	select {
	case key := <-known:
		if key != "" {
			return []byte(key), nil
		}
	case <-s.done: // and the job may have been dropped
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: errClosed}
	case <-ctx.Done():
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: ctx.Err()}
	}
	return b.PublicKey(ctx, id)
}

// ask sends a request about a key to its persistence actor and waits for the answer: as long as the store may take, and
// longer while it is only slow.
func (b *Broker) ask(ctx context.Context, o *op) (*op, error) {
	if b.closed.Load() {
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: errClosed}
	}
	patience := time.NewTimer(storeTimeout)
	defer patience.Stop()
	done := make(chan *op, 1)
	o.done = done
	p := b.persisters[b.persisterOf(o.user)]
	p.queue.post([]*op{o})
	for answered := false; !answered; {
		select {
		case o = <-done:
			answered = true
		case <-patience.C:
			if !p.moves() {
				return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: context.DeadlineExceeded}
			}
			patience.Reset(storeTimeout / 4)
		case <-ctx.Done():
			return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: ctx.Err()}
		}
	}
	if o.err != nil {
		return nil, &Error{Code: codeOfStore(o.err), Err: o.err}
	}
	return o, nil
}

var errClosed = errors.New("the broker has shut down")

// Ready says whether the node takes conns and the store answers. It does not from the beginning of a shutdown on.
func (b *Broker) Ready(ctx context.Context) error {
	if b.ending.Load() {
		return errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return b.safely(func() error { return b.config.store.Ping(ctx) })
}

// AttachOptions says what a conn is.
type AttachOptions struct {
	Profile Profile
	Proven  bool // it has proved possession of the user's key, by [protocol.Challenge.Verify]; the broker takes it as said
	// Order tells which of two conns of a user is the newer one, whichever comes here first: the one with the higher
	// number, of numbers that rise by one for each conn and may wrap around. Zero is newer than all.
	Order uint32
}

// Attach makes conn the connection of a user, in place of a former one. The conn is told by Resume when that has
// happened, or by Close why not. Call it on the user's shard.
func (b *Broker) Attach(id protocol.UserID, conn Conn, opts AttachOptions) *Link {
	s := b.ShardFor(id)
	l := &Link{shard: s, conn: conn, profile: opts.Profile, proven: opts.Proven, order: opts.Order, id: id}
	s.userFor(&id).push(s.letter(letter{kind: letterAttach, link: l}))
	return l
}

// nonce returns 8 random bytes: a conn's fences are not to be guessed.
func (b *Broker) nonce() uint64 {
	var n [8]byte
	rand.Read(n[:]) // never fails
	return binary.BigEndian.Uint64(n[:])
}

// spread returns after how many milliseconds a client should come back when the server goes away.
func (b *Broker) spread() int64 { return 500 + mathrand.Int64N(4500) }

// wall returns the time of a monotonic moment in milliseconds since the epoch.
func (b *Broker) wall(now time.Duration) int64 { return b.offset.Load() + now.Milliseconds() }

// setWall reads the wall clock. It is not read more often than upkeep calls this, so that it costs a turn nothing.
func (b *Broker) setWall() {
	b.offset.Store(b.config.clock.Now().UnixMilli() - b.config.clock.Mono().Milliseconds())
}
