package actors

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// digestSeed keeps senders from constructing two payloads of one digest.
var digestSeed = maphash.MakeSeed()

// idKey is the identity of an envelope among those of its recipient.
type idKey struct {
	from protocol.UserID
	id   string
}

// remembered is an envelope with an id that its recipient's actor holds.
type remembered struct {
	idKey
	digest uint64 // of the payload
	seq    uint64 // of the copy that is delivered
	ttl    int64  // seconds, 0 for the maximum
	link   *Link  // the conn that waits for the ack; nil once it was sent, or for mail from the store
	safe   bool   // stored or confirmed: a repeat is acknowledged at once
	listed bool   // in recents.stored
	done   bool   // confirmed
	once   bool   // the id will not come again
}

// recents recognises repeats: of the envelopes held or placed, of those that went to the store after that, and of the
// last that were confirmed, but for those that nobody can repeat. What went to the store at once is the store's to
// recognise. A nil *recents is empty.
type recents struct {
	byID    map[idKey]*remembered // not settled
	stored  []*remembered         // in the store, or on the way there, from the outbox; not settled; by seq
	settled settledIDs
}

// get returns the envelope of an identity, nil if none is known. Of a settled one there is only a copy.
func (r *recents) get(from protocol.UserID, id []byte) *remembered {
	if r == nil || len(id) == 0 {
		return nil
	}
	if m := r.byID[idKey{from, string(id)}]; m != nil {
		return m
	}
	if digest, ok := r.settled.find(hashID(from, id)); ok {
		return &remembered{idKey: idKey{from, string(id)}, digest: digest, safe: true, done: true}
	}
	return nil
}

// add remembers an envelope; a former one of the same identity is forgotten.
func (r *recents) add(m *remembered) {
	r.byID[m.idKey] = m
}

// keep notes that the envelope is in the store, or on its way, until a client confirms it: on its next conn, perhaps
// before it is placed there.
func (r *recents) keep(m *remembered) {
	if m.listed {
		return
	}
	m.listed = true
	at, n := len(r.stored), len(r.stored)
	if n > 0 && r.stored[n-1].seq > m.seq { // hardly ever
		at = r.place(m.seq)
	}
	r.stored = slices.Insert(r.stored, at, m)
}

// place returns where in stored the first is that is not before seq.
func (r *recents) place(seq uint64) int {
	at, _ := slices.BinarySearchFunc(r.stored, seq, func(m *remembered, seq uint64) int { return cmp.Compare(m.seq, seq) })
	return at
}

// renumber notes that the copy that is delivered is another.
func (r *recents) renumber(m *remembered, seq uint64) {
	if m.seq == seq {
		return
	}
	if m.listed {
		at := r.place(m.seq)
		r.stored = slices.Delete(r.stored, at, at+1)
		m.listed, m.seq = false, seq
		r.keep(m)
		return
	}
	m.seq = seq
}

// settleKept settles the envelopes up to seq that were kept, after calling gone for each. A client may confirm as often as
// it likes: it costs what is settled.
func (r *recents) settleKept(seq uint64, gone func(*remembered)) {
	if r == nil {
		return
	}
	n := 0
	for ; n < len(r.stored) && r.stored[n].seq <= seq; n++ {
		m := r.stored[n]
		m.listed = false
		if !m.done {
			gone(m)
			r.settle(m)
		}
	}
	r.stored = slices.Delete(r.stored, 0, n)
}

// settle notes that the envelope was confirmed.
func (r *recents) settle(m *remembered) {
	m.safe, m.link, m.done = true, nil, true
	if r.byID[m.idKey] != m {
		return
	}
	delete(r.byID, m.idKey)
	if !m.once {
		r.settled.add(hashID(m.from, []byte(m.id)), m.digest)
	}
}

func digest(payload []byte) uint64 { return maphash.Bytes(digestSeed, payload) }
