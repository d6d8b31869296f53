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
	queue  []*Message // waiting, oldest first; from head on
	head   int
	bytes  int
	marks  []mark // not confirmed to the server, in ascending seq; a prefix that is done is cut off at once
	upTo   uint64 // all up to here is processed: may be confirmed
	recent memory

	drained func() // called once the queue's first drainAfter messages are handed out; nil if there is nothing to call
	ahead   int
}

type mark struct {
	seq  uint64
	done bool
}

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

// accept queues a message, unless it was seen before. It reports whether it was new.
func (in *inbox) accept(m *Message) bool {
	if m.Seq <= in.upTo {
		return false
	}
	i, seen := in.search(m.Seq)
	if seen {
		return false
	}
	repeat := m.ID != "" && !in.recent.add(m)
	in.marks = slices.Insert(in.marks, i, mark{seq: m.Seq, done: repeat})
	if repeat {
		// The same message under a new seq. It counts as processed; what is before it still has to be.
		in.advance()
		return false
	}
	in.push(m)
	return true
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
func (in *inbox) confirm(seq uint64) bool {
	i, ok := in.search(seq)
	if !ok {
		return false
	}
	in.marks[i].done = true
	return i == 0 && in.advance()
}

// advance cuts off the processed prefix.
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

// memory remembers the identities of the last rememberIDs messages.
type memory struct {
	seed  maphash.Seed
	known map[identity]struct{}
	ring  []identity
	at    int // the oldest, once the ring is full
}

// identity is what makes two messages the same: sender, id and, since a careless sender may use an id for two, the
// payload.
type identity struct {
	from, id string
	payload  uint64
}

// add remembers a message and reports whether it was unknown.
func (r *memory) add(m *Message) bool {
	if r.known == nil {
		r.seed, r.known = maphash.MakeSeed(), make(map[identity]struct{})
	}
	k := identity{m.From, m.ID, maphash.String(r.seed, m.Payload)}
	if _, ok := r.known[k]; ok {
		return false
	}
	r.known[k] = struct{}{}
	if len(r.ring) < rememberIDs {
		r.ring = append(r.ring, k)
		return true
	}
	delete(r.known, r.ring[r.at])
	r.ring[r.at] = k
	r.at = (r.at + 1) % rememberIDs
	return true
}
