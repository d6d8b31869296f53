package actors

import (
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// meter is what a shard counts. It belongs to the shard's goroutine and its fields are plain, so that counting a
// message is an addition to memory that is in the cache: no atomic operation, and no look at the clock beside the two
// of a turn. Others get a copy, by a job.
type meter struct {
	counts   [statCount]uint64
	refusals [256]uint64 // by protocol.Code
	write    Histogram   // microseconds from a message's place in its recipient's order to the write
	confirm  Histogram   // microseconds from there to its confirm
	pending  int64       // messages in outboxes
	fresh    uint64      // of this turn: messages written that were placed in it

	busy    time.Duration    // in turns
	turns   uint64           //
	longest [2]time.Duration // turn, in this window and in the one before
	window  time.Duration    // when it began

	// Filled in for the copy.
	actors, paused int
}

// turnWindow is for how long the longest turn is remembered at least, and half of how long at most.
const turnWindow = 15 * time.Second

// stat is a counter of a shard.
type stat int

const (
	statSubmitted stat = iota
	statAttached
	statDetached
	statParked
	statSpilled
	statDrained
	statDelivered
	statConfirmed
	statAcked
	statWrites
	statTimedOut
	statPanics
	statLost
	statUnknownMessages
	statCreditStalls
	statMemoryStalls
	statCount
)

func (s *Shard) count(which stat, n int) { s.meter.counts[which] += uint64(n) }

// refused counts an error that a user is told, the zero value for somebody unknown.
func (s *Shard) refused(code protocol.Code, user protocol.UserID) {
	s.meter.refusals[code]++
	s.broker.emit(Event{Kind: EventRefused, User: user, Code: code, Count: 1})
}

// CountRefusal counts an error that a front end sends by itself, before a conn is attached. Shard goroutine only.
func (s *Shard) CountRefusal(code protocol.Code) { s.refused(code, protocol.UserID{}) }

// CountPanic counts and logs a panic that a front end has recovered from, in code that what names. A reason that holds
// what is for users alone is not for it. Shard goroutine only.
func (s *Shard) CountPanic(what string, reason any) {
	s.count(statPanics, 1)
	s.broker.log.Error(what+" panicked", "reason", fmt.Sprint(reason))
}

// observe notes how long the turn took. What was placed and written in it took as long, at most.
func (s *Shard) observe(begin time.Duration) {
	m, end := &s.meter, s.broker.config.clock.Mono()
	took := end - begin
	m.busy += took
	m.turns++
	if m.fresh > 0 {
		m.write.add(took, m.fresh)
		m.fresh = 0
	}
	if end-m.window >= turnWindow {
		if m.longest[1] = m.longest[0]; end-m.window >= 2*turnWindow {
			m.longest[1] = 0
		}
		m.longest[0], m.window = 0, end
	}
	m.longest[0] = max(m.longest[0], took)
}

// meterWrite notes the envelopes of the outbox, from one on, that a write has sent.
func (d *delivery) meterWrite(from int) {
	if from >= d.out.sentTo {
		return
	}
	now, _ := d.port.clock()
	for i := from; i < d.out.sentTo; i++ {
		d.pool.meter.wrote(&d.out.entries[i], stampOf(now))
	}
}

// wrote notes that the conn has taken the envelope e, the first time it does.
func (m *meter) wrote(e *entry, now stamp) {
	if e.wrote {
		return // a fence that rode on it later has moved the mark back
	}
	e.wrote = true
	m.counts[statDelivered]++
	switch {
	case e.drained:
	case e.at == now:
		m.fresh++
	default:
		m.write.add(time.Duration(now-e.at)*time.Millisecond, 1)
	}
}

// gone notes that an envelope has been confirmed.
func (m *meter) gone(e *entry, now stamp) {
	m.pending--
	m.counts[statConfirmed]++
	if !e.drained {
		m.confirm.add(max(time.Duration(now-e.at)*time.Millisecond, time.Millisecond/2), 1)
	}
}

// statsPatience is how long a shard in a long turn is waited for; then its numbers of the time before are used.
const statsPatience = time.Second

// meterNow returns a copy of the shard's meter. Any goroutine but the shard's may call it.
func (s *Shard) meterNow() meter {
	answer := make(chan meter, 1)
	copied := func() meter {
		m := s.meter
		m.actors, m.paused = s.users.count, len(s.paused)
		return m
	}
	if !s.Post(jobFunc(func() { answer <- copied() })) {
		<-s.done
		return copied()
	}
	late := time.NewTimer(statsPatience)
	defer late.Stop()
	select {
	case m := <-answer:
		s.metered.Store(&m)
		return m
	case <-s.done:
		return copied()
	case <-late.C:
		if m := s.metered.Load(); m != nil {
			return *m
		}
		return meter{}
	}
}

// histogramBuckets is how many bounds a Histogram has.
const histogramBuckets = 28

// Histogram counts values in buckets whose bounds double: bucket i has those up to 1<<i and above the bound before. The
// last bucket has all that are larger. Times are in microseconds, so the bounds reach from 1 µs to 134 s.
type Histogram struct {
	Counts [histogramBuckets + 1]uint64
	Sum    uint64 // of the values
}

// Observe counts a value.
func (h *Histogram) Observe(value, times uint64) {
	at := 0
	if value > 1 {
		at = min(bits.Len64(value-1), histogramBuckets)
	}
	h.Counts[at] += times
	h.Sum += value * times
}

func (h *Histogram) add(d time.Duration, times uint64) {
	h.Observe(uint64(max(d, 0)/time.Microsecond), times)
}

// Count returns how many values were counted.
func (h *Histogram) Count() (n uint64) {
	for _, count := range h.Counts {
		n += count
	}
	return n
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.Counts {
		h.Counts[i] += n
	}
	h.Sum += other.Sum
}

// StoreCalls is what a broker has asked of its store by one kind of call.
type StoreCalls struct {
	Size Histogram // requests per call: keys, envelopes, pages
	Time Histogram // microseconds per call
}

// callMeter counts the calls of the store. There are few of them, each for many messages: a mutex costs nothing.
type callMeter struct {
	mu    sync.Mutex
	kinds [opKinds + 1]StoreCalls // guarded by mu
}

// opExpire stands for the call that no actor asks for.
const opExpire = opKinds

// callNames are the kinds of calls as Stats names them.
var callNames = [opKinds + 1]string{
	opPutKey: "put_keys", opLock: "lock", opKeys: "keys", opAppend: "append", opConfirm: "confirm", opRead: "read", opExpire: "expire",
}

func (m *callMeter) observe(kind opKind, size int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kinds[kind].Size.Observe(uint64(size), 1)
	m.kinds[kind].Time.add(took, 1)
}

// timed makes a call of the store and counts it.
func (p *persister) timed(kind opKind, size int, call func() error) error {
	begin := p.broker.config.clock.Mono()
	err := p.broker.safely(call)
	p.broker.calls.observe(kind, size, p.broker.config.clock.Mono()-begin)
	return err
}
