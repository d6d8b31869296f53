package actors

import (
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// stat is a counter of a shard.
type stat int

const (
	statSubmitted stat = iota
	statAttached
	statDetached
	statParked
	statSpilled
	statDrained
	statAcked
	statWrites
	statActors
	statActorsGone
	statTimedOut
	statPanics
	statLost
	statNilMessages
	statUnknownMessages
	statLongestTurn // microseconds, since it was last read
	statCount
)

// Stats is a moment's view of a broker's counters; all but those that say otherwise count from the start.
type Stats struct {
	Submitted       uint64            // envelopes that conns submitted
	Attached        uint64            // conns attached
	Detached        uint64            // conns that were attached and have ended
	Parked          uint64            // new envelopes sent to the store
	Spilled         uint64            // accepted envelopes sent to the store
	Drained         uint64            // envelopes read from the store
	Acked           uint64            // acks to v1 senders
	Writes          uint64            // writes to conns
	Actors          uint64            // user actors now
	TimedOut        uint64            // conns dropped for their silence
	Panics          uint64            // user actors stopped by a panic
	Lost            uint64            // envelopes lost by a fault of the server
	NilMessages     uint64            // nil messages refused
	UnknownMessages uint64            // messages to user actors that they do not know
	Appended        uint64            // envelopes in append calls of the store, repetitions included
	Batches         uint64            // append calls of the store
	Refused         map[string]uint64 // errors sent, by code
	Buffered        int64             // bytes of buffered mail now
	StoreDown       bool              // now
	LongestTurn     time.Duration     // of any shard, since the last call
}

func (s *Shard) count(which stat, n int) { s.stats[which].Add(uint64(n)) }

func (s *Shard) refused(code protocol.Code) { s.refusals[code].Add(1) }

// CountRefusal counts an error that a front end sends by itself, before a conn is attached. Shard goroutine only.
func (s *Shard) CountRefusal(code protocol.Code) { s.refused(code) }

// observe notes how long the turn took.
func (s *Shard) observe(begin time.Duration) {
	took := uint64((s.broker.config.clock.Mono() - begin).Microseconds())
	if took > s.stats[statLongestTurn].Load() {
		s.stats[statLongestTurn].Store(took)
	}
}

// Stats returns the counters.
func (b *Broker) Stats() Stats {
	var sum [statCount]uint64
	out := Stats{Refused: make(map[string]uint64), Buffered: b.budget.used.Load(), StoreDown: b.storeDown.Load()}
	for _, s := range b.shards {
		for i := range sum {
			sum[i] += s.stats[i].Load()
		}
		for code := range s.refusals {
			if n := s.refusals[code].Load(); n > 0 {
				out.Refused[protocol.Code(code).String()] += n
			}
		}
		turn := time.Duration(s.stats[statLongestTurn].Swap(0)) * time.Microsecond
		out.LongestTurn = max(out.LongestTurn, turn)
	}
	out.Submitted, out.Attached, out.Detached = sum[statSubmitted], sum[statAttached], sum[statDetached]
	out.Parked, out.Spilled, out.Drained, out.Acked = sum[statParked], sum[statSpilled], sum[statDrained], sum[statAcked]
	out.Writes, out.Actors, out.TimedOut = sum[statWrites], sum[statActors]-sum[statActorsGone], sum[statTimedOut]
	out.Panics, out.Lost = sum[statPanics], sum[statLost]
	out.NilMessages, out.UnknownMessages = sum[statNilMessages], sum[statUnknownMessages]
	out.Appended, out.Batches = b.appended.Load(), b.batches.Load()
	return out
}

func (b *Broker) countAppend(n int) {
	b.appended.Add(uint64(n))
	b.batches.Add(1)
}
