package actors

import (
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Stats is a moment's view of a broker's counters; all but those that say otherwise count from the start.
type Stats struct {
	Logins          uint64                // users made known, those known before included
	Submitted       uint64                // envelopes that conns submitted
	Attached        uint64                // conns attached
	Detached        uint64                // conns that were attached and have ended
	Parked          uint64                // new envelopes sent to the store
	Spilled         uint64                // accepted envelopes sent to the store
	Drained         uint64                // envelopes read from the store
	Delivered       uint64                // envelopes written to conns, those read from the store and those that come again included
	Confirmed       uint64                // of them, envelopes that the client has confirmed
	Acked           uint64                // acks to v1 senders
	Writes          uint64                // writes to conns
	CreditStalls    uint64                // times a conn was stopped because its credit was used up
	MemoryStalls    uint64                // times a conn was stopped because the broker's memory was
	Stalled         int                   // conns that are stopped now
	Actors          uint64                // user actors now
	TimedOut        uint64                // conns dropped for their silence
	EventsDropped   uint64                // events that no subscriber was told of
	Panics          uint64                // of conns, each the end of its user's actor, of the store, and of subscribers
	Lost            uint64                // envelopes lost by a fault of the server
	Expired         uint64                // envelopes deleted because their time was over
	NilMessages     uint64                // nil messages refused
	UnknownMessages uint64                // messages to user actors that they do not know
	Appended        uint64                // envelopes in append calls of the store, repetitions included
	Batches         uint64                // append calls of the store
	StoreErrors     uint64                // requests that the store failed, one by one
	StoreQueue      int                   // requests that wait for the store now
	StoreCalls      map[string]StoreCalls // by kind: put_keys, keys, lock, append, confirm, read, expire
	StoreDown       bool                  // now
	Refused         map[string]uint64     // errors sent, by code
	Pending         int64                 // envelopes in memory, written or not, that nobody has confirmed, now
	Buffered        int64                 // bytes of buffered mail now
	Budget          int64                 // bytes that bound it
	WriteTime       Histogram             // from an envelope's place in its recipient's order to the write, but for mail from the store
	ConfirmTime     Histogram             // from there to its confirm, likewise
	LongestTurn     time.Duration         // of any shard, in the last 15 to 30 seconds
	Shards          []ShardStats          // one for each
}

// ShardStats is what one shard has done.
type ShardStats struct {
	Busy  time.Duration // spent in turns
	Turns uint64
}

// Stats returns the counters. It asks the shards, and takes a second where one is in a long turn.
func (b *Broker) Stats() Stats {
	out := Stats{
		Refused: make(map[string]uint64), StoreCalls: make(map[string]StoreCalls),
		Buffered: b.budget.used.Load(), Budget: b.budget.limit, StoreDown: b.storeDown.Load(),
		Logins: b.logins.Load(), Expired: b.expired.Load(), NilMessages: b.nilMessages.Load(), Panics: b.panics.Load(), EventsDropped: b.herald.unheard(),
		Appended: b.appended.Load(), Batches: b.batches.Load(), StoreErrors: b.storeErrors.Load(),
	}
	var sum meter
	for _, s := range b.shards {
		m := s.meterNow()
		for i, n := range m.counts {
			sum.counts[i] += n
		}
		for code, n := range m.refusals {
			if n > 0 {
				out.Refused[protocol.Code(code).String()] += n
			}
		}
		out.WriteTime.Merge(&m.write)
		out.ConfirmTime.Merge(&m.confirm)
		out.Pending += m.pending
		out.Actors += uint64(m.actors)
		out.Stalled += m.paused
		out.LongestTurn = max(out.LongestTurn, m.longest[0], m.longest[1])
		out.Shards = append(out.Shards, ShardStats{Busy: m.busy, Turns: m.turns})
	}
	out.counts(&sum.counts)
	out.Lost += b.lost.Load()
	b.calls.mu.Lock()
	defer b.calls.mu.Unlock()
	for kind, name := range callNames {
		out.StoreCalls[name] = b.calls.kinds[kind]
	}
	for _, p := range b.persisters {
		out.StoreQueue += p.queue.UserMessageCount()
	}
	return out
}

// counts takes over the sums of the shards' counters.
func (out *Stats) counts(sum *[statCount]uint64) {
	out.Submitted, out.Attached, out.Detached = sum[statSubmitted], sum[statAttached], sum[statDetached]
	out.Parked, out.Spilled, out.Drained, out.Acked = sum[statParked], sum[statSpilled], sum[statDrained], sum[statAcked]
	out.Delivered, out.Confirmed = sum[statDelivered], sum[statConfirmed]
	out.Writes, out.TimedOut = sum[statWrites], sum[statTimedOut]
	out.CreditStalls, out.MemoryStalls = sum[statCreditStalls], sum[statMemoryStalls]
	out.Panics, out.Lost, out.UnknownMessages = out.Panics+sum[statPanics], sum[statLost], sum[statUnknownMessages]
}

func (b *Broker) countAppend(n int) {
	b.appended.Add(uint64(n))
	b.batches.Add(1)
}
