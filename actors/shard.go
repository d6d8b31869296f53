package actors

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Bounds of one turn.
const (
	maxJobs      = 256 // jobs taken from the queue; the rest waits for the next turn
	letterChunk  = 128
	trimInterval = time.Second
)

// Job is something to run on a shard's goroutine.
type Job interface{ Run() }

// Shard is one event loop: it owns the users whose id hashes to it, their actors, conns, timers and buffers, and is
// their protoactor dispatcher. Inside it nothing is locked. One turn:
//
//  1. wait; the poller hands on what came in, which links letters into mailboxes
//  2. run the jobs that others posted, and the timers that are due
//  3. run every mailbox that has letters: one invocation per actor
//  4. hand on what is for other shards and for the persistence actors
//  5. write, once per conn
type Shard struct {
	broker *Broker
	index  int
	poller Poller
	props  *actor.Props
	// userName is every user actor's name while it is spawned, and in the library's logs.
	userName string

	// Of the shard's goroutine.
	now          time.Duration
	ticked       bool // now is of this turn
	users        registry
	latest       *user // who was looked for last; mail to a user comes in runs
	spawning     *user
	batch        batch // of the actor that runs
	runnable     []*user
	running      []*user
	dirty        []*Link
	flushed      int // of dirty
	paused       map[*Link]struct{}
	wheel        wheel
	pool         pool
	gather       []byte
	letters      letterSlab
	jobs         []Job
	ran          int // of jobs
	recycled     [][]byte
	after        []Job
	parcels      []*parcel     // one per shard, nil if empty
	ops          [][]*op       // one per persistence actor
	reads        int           // under way
	waitingReads []*op         // in the order in which they were asked for
	maxSeq       uint64        // above all seqs of actors that have stopped
	trim         Timer         // lets go of unused buffers
	relief       Timer         // sees to the memory budget
	fullSince    time.Duration // 0: the reserve is not used up
	heavies      []heavy       // of relieve
	leaving      bool
	desks        map[protocol.UserID]*desk // of senders that the host submits for
	meter        meter

	mu       sync.Mutex
	inbox    []Job // guarded by mu
	closed   bool  // guarded by mu
	sleeping atomic.Bool
	stopping atomic.Bool
	done     chan struct{}
	lost     int                   // to be read when done is closed
	metered  atomic.Pointer[meter] // the copy that was last given out
}

func newShard(b *Broker, index int) *Shard {
	s := &Shard{
		broker: b, index: index, userName: fmt.Sprintf("%suser@%d", b.config.prefix, index), done: make(chan struct{}),
		paused:  make(map[*Link]struct{}),
		parcels: make([]*parcel, b.config.shards), ops: make([][]*op, len(b.persisters)),
	}
	s.pool.budget, s.pool.meter = &b.budget, &s.meter
	s.now = b.config.clock.Mono()
	s.wheel.init(s.now)
	s.trim.Fire, s.relief.Fire = s.trimPool, s.relieve
	s.props = actor.PropsFromProducer(func() actor.Actor { return s.produce() },
		actor.WithMailbox(func() actor.Mailbox { return s.produce() }),
		actor.WithDispatcher(dispatcher{s}), actor.WithGuardian(guardian{}))
	return s
}

// produce gives protoactor the user being spawned. Nothing restarts an actor, so it is never asked at another time.
func (s *Shard) produce() *user {
	if s.spawning == nil {
		panic("actors: an actor may only be spawned by its shard")
	}
	return s.spawning
}

// dispatcher is the shard as protoactor sees it.
type dispatcher struct{ *Shard }

// Schedule implements actor.Dispatcher for what is not a user's mailbox; those queue themselves.
func (d dispatcher) Schedule(fn func()) { d.Post(jobFunc(fn)) }

// Throughput implements actor.Dispatcher.
func (d dispatcher) Throughput() int { return maxJobs }

type jobFunc func()

func (f jobFunc) Run() { f() }

// Post runs job on the shard's goroutine, in the order of posting. Any goroutine may call it. After the broker has
// shut down jobs are dropped, and Post returns false.
func (s *Shard) Post(job Job) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.inbox = append(s.inbox, job)
	s.mu.Unlock()
	if s.sleeping.Load() && s.sleeping.CompareAndSwap(true, false) {
		s.poller.Wake()
	}
	return true
}

// Now returns the monotonic time of the current turn. Shard goroutine only.
func (s *Shard) Now() time.Duration {
	if !s.ticked {
		s.now, s.ticked = s.broker.config.clock.Mono(), true
	}
	return s.now
}

// Poller returns what the shard waits on. Any goroutine may call it.
func (s *Shard) Poller() Poller { return s.poller }

// Buffer returns an empty buffer with room for at least n bytes, counted as buffered mail until it is given back by
// Recycle. Shard goroutine only, like Recycle.
func (s *Shard) Buffer(n int) []byte { return s.pool.get(n) }

// Recycle gives a buffer of Buffer back. It stays as it is until the turn ends, for letters may point into it.
func (s *Shard) Recycle(b []byte) { s.recycled = append(s.recycled, b) }

// AfterTurn runs job when the turn has ended and no slice given to a Link is used any more. Shard goroutine only.
func (s *Shard) AfterTurn(job Job) { s.after = append(s.after, job) }

// Set arms t to fire once on the shard's goroutine after d, rounded up to 10 ms; an armed timer is set anew. Shard
// goroutine only, like Stop.
func (s *Shard) Set(t *Timer, d time.Duration) { s.wheel.set(t, s.Now(), d) }

// Stop disarms t.
func (s *Shard) Stop(t *Timer) { s.wheel.stop(t) }

func (s *Shard) bounds() *Delivery { return &s.broker.config.delivery }

func (s *Shard) loop() {
	defer close(s.done)
	for !s.stopping.Load() {
		s.turn()
	}
	s.end()
}

func (s *Shard) turn() {
	s.wait(s.sleepTime())
	s.sleeping.Store(false)
	begin := s.Now()
	s.takeJobs()
	s.fireTimers()
	s.runMailboxes()
	s.handOver()
	s.writeDirty()
	s.handOver() // what followed from a write
	if s.pool.tight = s.broker.budget.over(); s.pool.tight {
		s.watchMemory()
	}
	s.pool.brim = s.broker.budget.brim()
	if s.pool.idle > 0 && !s.trim.armed() {
		s.Set(&s.trim, trimInterval)
	}
	s.endTurn()
	s.observe(begin)
	s.ticked = false
}

// endTurn takes back what lived for the turn.
func (s *Shard) endTurn() {
	s.letters.reset()
	for i, b := range s.recycled {
		s.pool.put(b)
		s.recycled[i] = nil
	}
	s.recycled = s.recycled[:0]
	for at := 0; at < len(s.after); {
		at = s.runAfter(at)
	}
	s.after = s.after[:0]
	s.pool.tell()
}

// sleepTime returns how long the poller may wait. The flag goes up before the queue is looked at, so that a job posted
// after the look wakes the poller.
func (s *Shard) sleepTime() time.Duration {
	if len(s.jobs) > 0 || len(s.runnable) > 0 || len(s.dirty) > 0 {
		return 0
	}
	s.sleeping.Store(true)
	s.mu.Lock()
	waiting := len(s.inbox) > 0
	s.mu.Unlock()
	if waiting {
		s.sleeping.Store(false)
		return 0
	}
	wait := s.wheel.wait(s.broker.config.clock.Mono())
	if wait < 0 {
		wait = maxSleep
	}
	return wait
}

// maxSleep bounds a wait with no timer set.
const maxSleep = time.Hour

func (s *Shard) takeJobs() {
	if len(s.jobs) == 0 {
		s.mu.Lock()
		s.jobs, s.inbox = s.inbox, s.jobs[:0]
		s.mu.Unlock()
	}
	n := min(len(s.jobs), maxJobs)
	for s.ran = 0; s.ran < n; {
		s.runSome(n)
	}
	clear(s.jobs[:n])
	if n < len(s.jobs) {
		s.jobs = s.jobs[n:]
		return
	}
	s.jobs = s.jobs[:0]
	if cap(s.jobs) > 4*maxJobs {
		s.jobs = nil
	}
}

// runSome runs jobs until the n-th, or until one panics: that one is lost, the shard goes on.
func (s *Shard) runSome(n int) {
	defer func() {
		if reason := recover(); reason != nil {
			s.count(statPanics, 1)
			s.broker.log.Error("job of a shard panicked", "reason", fmt.Sprint(reason), "job", fmt.Sprintf("%T", s.jobs[s.ran-1]))
		}
	}()
	for s.ran < n {
		s.ran++
		s.jobs[s.ran-1].Run()
	}
}

// runMailboxes runs until no mailbox has a letter. It ends: a letter makes others only for the store and for conns.
func (s *Shard) runMailboxes() {
	for len(s.runnable) > 0 {
		s.running, s.runnable = s.runnable, s.running[:0]
		for i, u := range s.running {
			u.run()
			s.running[i] = nil
		}
	}
	if cap(s.running) > 4*maxJobs {
		s.running = nil
	}
}

// handOver sends what the turn has for others.
func (s *Shard) handOver() {
	s.sendParcels()
	s.sendOps()
}

// fireTimers fires what is due. A timer that panics is lost, the others fire in the next turn.
func (s *Shard) fireTimers() {
	defer s.survive("timer of a shard")
	s.wheel.advance(s.now)
}

func (s *Shard) writeDirty() {
	for s.flushed = 0; s.flushed < len(s.dirty); {
		s.flushSome()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
}

// flushSome writes until the end, or until a conn panics: then that one's user is stopped.
func (s *Shard) flushSome() {
	defer func() {
		if reason := recover(); reason != nil {
			s.connPanicked(s.dirty[s.flushed-1], reason)
		}
	}()
	for s.flushed < len(s.dirty) {
		s.flushed++
		s.dirty[s.flushed-1].flush()
	}
}

// route brings a submission to its recipient's mailbox, here or on another shard.
func (s *Shard) route(from *Link, sub *Submission) {
	if target := s.broker.ShardFor(sub.To); target != s {
		var a arrival
		a.fill(from, sub)
		s.parcelFor(target).submit(sub.To, &a)
		return
	}
	l := s.letters.next()
	l.kind = letterSubmit
	l.arrival.fill(from, sub)
	s.userFor(&sub.To).push(l)
}

func (s *Shard) letter(l letter) *letter {
	p := s.letters.next()
	*p = l
	return p
}

// letterSlab hands out letters that live until the turn ends.
type letterSlab struct {
	chunks [][]letter
	chunk  int
	used   int
}

func (s *letterSlab) next() *letter {
	if s.chunk == len(s.chunks) {
		s.chunks = append(s.chunks, make([]letter, letterChunk))
	}
	l := &s.chunks[s.chunk][s.used]
	if s.used++; s.used == letterChunk {
		s.chunk, s.used = s.chunk+1, 0
	}
	return l
}

// reset takes all letters back, and lets go of those of a burst.
func (s *letterSlab) reset() {
	for i := range min(s.chunk+1, len(s.chunks)) {
		n := letterChunk
		if i == s.chunk {
			n = s.used
		}
		clear(s.chunks[i][:n])
	}
	if len(s.chunks) > 8 {
		s.chunks = s.chunks[:8:8]
	}
	s.chunk, s.used = 0, 0
}

func (s *Shard) trimPool() {
	s.pool.trim()
	if cap(s.gather) > maxGather/4 {
		s.gather = nil
	}
}
