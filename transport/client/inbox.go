package client

import (
	"hash/maphash"
	"slices"
)

const (
	// maxQueued bounds the payload bytes that wait for Receive. An honest server with the default limits never gets
	// there: 256 unconfirmed messages of 128 KiB.
	maxQueued = 64 << 20
	// maxMarks bounds the messages that are not confirmed, handed out or not.
	maxMarks = 4096
	// plainQueue bounds the messages of the plain profile that wait for Receive. They are lost with the process, so
	// few are fetched ahead.
	plainQueue = 64
	// rememberIDs is how many messages' identities are kept against repeats under a new seq: several times what a
	// server leaves unconfirmed, and twice what it remembers itself.
	rememberIDs = 2048
)

// inbox holds the messages that wait for Receive and knows what has been seen and confirmed.
//
// A plain struct; Client.mu guards it.
type inbox struct {
	queue   []*Message // waiting, oldest first; from head on
	head    int
	bytes   int
	marks   []mark // what the server has and is not told to delete, in ascending seq; what is done at its front is cut off
	upTo    uint64 // all that the server has up to here is processed: may be confirmed
	reached uint64 // the highest seq that came on the current connection; 0 before the first
	recent  memory

	drained func() // called once the queue's first drainAfter messages are handed out; nil if there is nothing to call
	ahead   int
}

// mark is one delivery by the server. A message that was sent again by its sender has several, under different seqs.
type mark struct {
	seq uint64
	*fate
}

// fate is what became of a message, shared by all its deliveries.
type fate struct{ done bool }

// full reports whether a message of n bytes has to be turned away.
func (in *inbox) full(n int) bool {
	return len(in.marks) >= maxMarks || in.bytes > 0 && in.bytes+n > maxQueued
}

// fullPlain is full for the plain profile.
func (in *inbox) fullPlain(n int) bool {
	return in.queued() >= plainQueue || in.bytes > 0 && in.bytes+n > maxQueued
}

// low reports whether there is room enough again to have messages redelivered that were turned away.
func (in *inbox) low() bool { return len(in.marks) <= maxMarks/2 && in.bytes <= maxQueued/2 }

func (in *inbox) queued() int { return len(in.queue) - in.head }

// attach begins a new connection.
func (in *inbox) attach() { in.reached = 0 }

// accept queues a message, unless it was seen before. It reports whether it was new.
func (in *inbox) accept(m *Message) bool {
	in.forgetSkipped(m.Seq)
	if m.Seq <= in.upTo {
		return false
	}
	i, seen := in.search(m.Seq)
	if seen {
		return false
	}
	m.fate = new(fate)
	if m.ID != "" {
		if first := in.recent.add(m); first != m.fate {
			// The same message under a new seq. Whoever has the first one decides over both.
			in.marks = slices.Insert(in.marks, i, mark{m.Seq, first})
			in.advance()
			return false
		}
	}
	in.marks = slices.Insert(in.marks, i, mark{m.Seq, m.fate})
	in.push(m)
	return true
}

// forgetSkipped takes note of what the server has no more: a connection delivers all that it has in order, so what lies
// between the last seq that came on it and seq is gone. A crash may have lost messages that their receiver still thinks
// about. If they went on counting, a receiver that confirms only once it has more could wait for ever: behind them
// nothing can be confirmed, and without confirms the server holds back what is new.
func (in *inbox) forgetSkipped(seq uint64) {
	if seq <= in.reached {
		return
	}
	if n := len(in.marks); n > 0 && in.marks[n-1].seq > in.reached {
		from, _ := in.search(in.reached + 1)
		to, _ := in.search(seq)
		in.marks = slices.Delete(in.marks, from, to)
		in.advance()
	}
	in.reached = seq
}

// push queues a message without looking at it.
func (in *inbox) push(m *Message) {
	in.queue = append(in.queue, m)
	in.bytes += len(m.Payload)
}

// pop takes the oldest message; nil if there is none.
func (in *inbox) pop() *Message {
	if in.queued() == 0 {
		return nil
	}
	m := in.queue[in.head]
	in.queue[in.head] = nil
	in.head++
	in.bytes -= len(m.Payload)
	if in.head == len(in.queue) {
		in.queue, in.head = in.queue[:0], 0
	} else if in.head >= 64 && in.head*2 >= len(in.queue) {
		n := copy(in.queue, in.queue[in.head:])
		clear(in.queue[n:])
		in.queue, in.head = in.queue[:n], 0
	}
	if in.drained != nil {
		in.ahead--
		in.checkDrained()
	}
	return m
}

// whenDrained has f called once all that is queued now is handed out.
func (in *inbox) whenDrained(f func()) {
	in.drained, in.ahead = f, in.queued()
	in.checkDrained()
}

func (in *inbox) checkDrained() {
	if in.ahead <= 0 {
		in.drained()
		in.drained = nil
	}
}

// confirm marks a message as processed. It reports whether more may be confirmed to the server than before.
func (in *inbox) confirm(m *Message) bool {
	m.fate.done = true
	return in.advance()
}

// advance cuts off what is processed at the front.
func (in *inbox) advance() bool {
	n := 0
	for n < len(in.marks) && in.marks[n].done {
		in.upTo = in.marks[n].seq
		n++
	}
	in.marks = slices.Delete(in.marks, 0, n)
	return n > 0
}

func (in *inbox) search(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(in.marks, seq, func(m mark, seq uint64) int {
		switch {
		case m.seq < seq:
			return -1
		case m.seq > seq:
			return 1
		}
		return 0
	})
}

// memory remembers the last rememberIDs messages by their identity.
type memory struct {
	seed  maphash.Seed
	known map[identity]*fate
	ring  []identity
	at    int // the oldest, once the ring is full
}

// identity is what makes two messages the same: sender, id and, since a careless sender may use an id for two, the
// payload.
type identity struct {
	from, id string
	payload  uint64
}

// add remembers a message and returns the fate of the first of its kind, which is its own if it was unknown.
func (r *memory) add(m *Message) *fate {
	if r.known == nil {
		r.seed, r.known = maphash.MakeSeed(), make(map[identity]*fate)
	}
	k := identity{m.From, m.ID, maphash.String(r.seed, m.Payload)}
	if f, ok := r.known[k]; ok {
		return f
	}
	r.known[k] = m.fate
	if len(r.ring) < rememberIDs {
		r.ring = append(r.ring, k)
		return m.fate
	}
	delete(r.known, r.ring[r.at])
	r.ring[r.at] = k
	r.at = (r.at + 1) % rememberIDs
	return m.fate
}
