package actors

import (
	"encoding/binary"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// outbox is the unconfirmed log of one conn: the frames of all envelopes placed for it and not yet confirmed, as they
// go over the wire, one behind the other, with a mark for what is confirmed and one for what is sent. Holding mail
// until its receipt is proved costs no copy beyond the one that put it here.
//
// Frames that are both sent and stored need no bytes any more, only their entry; their bytes leave from the front.
// The pool owns the memory, the outbox itself included: nothing is held while nothing is unconfirmed.
type outbox struct {
	entries []entry // ascending seq
	first   int     // entries confirmed, and kept only until the slice is next moved up
	sentTo  int     // entries sent completely, at least first
	buf     []byte  // frames
	kept    int     // offset in buf of the first byte that is still needed, at most sent
	sent    int     // offset in buf up to which the conn has taken bytes
	owed    int     // bytes of payloads that are not confirmed, of those as well that need no bytes any more
	severed bool    // the frame at sentTo is cut, and what was sent of it is no more in buf
}

// entry is one envelope in the outbox.
type entry struct {
	seq        uint64
	end        uint32      // offset in buf behind its frame (and the fence that rides on it)
	at         stamp       // when it was placed
	remembered *remembered // its id, and the conn that waits for its ack; nil for most
	state      entryState
	wrote      bool   // once
	drained    bool   // it came from the store
	size       uint32 // of its payload
}

type entryState uint8

const (
	entryLive     entryState = iota // in memory only
	entrySpilling                   // an append is under way
	entryStored                     // in the store
)

// vacant is the outbox of everybody who has nothing unconfirmed. It is never written to.
var vacant = &outbox{}

func (o *outbox) len() int           { return len(o.entries) - o.first }
func (o *outbox) bytes() int         { return len(o.buf) - o.kept }
func (o *outbox) unsent() int        { return len(o.buf) - o.sent }
func (o *outbox) unsentEntries() int { return len(o.entries) - o.sentTo }
func (o *outbox) last() *entry       { return &o.entries[len(o.entries)-1] }
func (o *outbox) list() []entry      { return o.entries[o.first:] }

// start returns the offset in buf of the i-th entry's frame, counted from the beginning of entries.
func (o *outbox) start(i int) int {
	if i <= o.first {
		return o.kept
	}
	return max(o.kept, int(o.entries[i-1].end))
}

// frameOf returns the bytes of the i-th entry of list; they are gone once it is both sent and stored.
func (o *outbox) frameOf(i int) []byte {
	start := o.start(o.first + i)
	return o.buf[start:max(start, int(o.entries[o.first+i].end))]
}

// worthMoving is from how many bytes on a free front of buf is filled again.
const worthMoving = 8 << 10

// settleDown moves what is needed to the front when most of what lies there is not: so a conn that is never quite
// confirmed uses the same few cache lines again and again, not all of a buffer that has grown once.
func (o *outbox) settleDown() {
	if o.kept >= worthMoving && o.kept >= len(o.buf)-o.kept {
		o.compact()
	}
	if o.first >= 32 && o.first >= o.len() {
		o.closeUp()
	}
}

// closeUp moves the entries to the front.
func (o *outbox) closeUp() {
	n := copy(o.entries, o.entries[o.first:])
	clear(o.entries[n:])
	o.entries = o.entries[:n]
	o.sentTo -= o.first
	o.first = 0
}

// room makes sure that n bytes can be appended to buf.
func (o *outbox) room(p *pool, n int) {
	if cap(o.buf)-len(o.buf) >= n {
		return
	}
	if o.kept > 0 && o.kept >= len(o.buf)/2 {
		o.compact()
		if cap(o.buf)-len(o.buf) >= n {
			return
		}
	}
	o.buf = p.grow(o.buf, n)
}

// compact moves what is needed to the front of buf.
func (o *outbox) compact() {
	shift := o.kept
	n := copy(o.buf, o.buf[shift:])
	o.buf = o.buf[:n]
	for i := o.first; i < len(o.entries); i++ {
		e := &o.entries[i]
		e.end -= min(e.end, uint32(shift))
	}
	o.sent -= shift
	o.kept = 0
}

// place records the frame just appended to buf as the envelope seq.
//
// It sets one field after the other: a whole entry would be put together on the stack and read back in larger pieces,
// which waits for all that was written before, and that is the frame, into memory that no cache holds.
func (o *outbox) place(seq uint64, size int, at stamp, state entryState, m *remembered) {
	n := len(o.entries)
	if n < cap(o.entries) {
		o.entries = o.entries[:n+1]
	} else {
		o.entries = append(o.entries, entry{})
	}
	e := &o.entries[n]
	e.seq, e.end, e.at, e.size = seq, uint32(len(o.buf)), at, uint32(size)
	o.owed += size
	e.state, e.wrote, e.drained = state, false, false
	if e.remembered != m { // no write barrier for nothing
		e.remembered = m
	}
}

// ride appends a frame that follows the last envelope and leaves with it.
func (o *outbox) ride(p *pool, frame []byte) {
	o.room(p, len(frame))
	o.buf = append(o.buf, frame...)
	o.last().end = uint32(len(o.buf))
	o.sentTo = min(o.sentTo, len(o.entries)-1)
}

// confirm removes the first entry if it is not beyond seq, and returns it; nil if there is none. One that was not sent
// completely stays, for a frame must not be cut in its middle; it is confirmed when it has been sent.
func (o *outbox) confirm(seq uint64) *entry {
	if o.first >= o.sentTo || o.entries[o.first].seq > seq {
		return nil
	}
	e := &o.entries[o.first]
	o.kept = max(o.kept, int(e.end))
	o.owed -= int(e.size)
	o.first++
	return e
}

// shed lets go of the bytes at the front that are confirmed or stored, and sent.
func (o *outbox) shed(p *pool) {
	for i := o.first; i < len(o.entries); i++ {
		e := &o.entries[i]
		if e.state != entryStored || int(e.end) > o.sent {
			break
		}
		o.kept = max(o.kept, int(e.end))
	}
	if o.kept == len(o.buf) && len(o.buf) > 0 {
		p.put(o.buf)
		o.buf, o.kept, o.sent = nil, 0, 0
		for i := o.first; i < len(o.entries); i++ {
			o.entries[i].end = 0
		}
	}
}

// advance notes that the conn took n more bytes of buf.
func (o *outbox) advance(n int) {
	if n == 0 {
		return
	}
	o.sent += n
	for o.sentTo < len(o.entries) && int(o.entries[o.sentTo].end) <= o.sent {
		o.sentTo++
		o.severed = false
	}
}

// boundary returns the offset in buf behind the frame that was cut, or sent itself if none was.
func (o *outbox) boundary() int {
	if o.sentTo == len(o.entries) || o.sent <= o.start(o.sentTo) && !o.severed {
		return o.sent
	}
	return int(o.entries[o.sentTo].end)
}

// fenceBytes is the size of a fence's payload: the nonce of the conn and the highest seq written.
const fenceBytes = 16

// appendFence appends a Ping frame that confirms, when its Pong comes back, all up to seq.
func appendFence(dst []byte, nonce, seq uint64) []byte {
	dst = protocol.AppendFrameHeader(dst, protocol.OpPing, fenceBytes)
	dst = binary.BigEndian.AppendUint64(dst, nonce)
	return binary.BigEndian.AppendUint64(dst, seq)
}

// stuck returns how many bytes must stay whatever is stored: the rest of a frame that was cut.
func (o *outbox) stuck() int { return o.boundary() - o.sent }

// cut drops the stored entries at the end of which nothing was sent yet: they are read again when there is room. Of a
// frame that was cut it keeps the rest.
func (o *outbox) cut(p *pool) {
	end := o.boundary()
	keep := len(o.entries)
	for keep > o.first && o.entries[keep-1].state == entryStored && int(o.entries[keep-1].end) > end {
		keep--
		o.owed -= int(o.entries[keep].size)
	}
	clear(o.entries[keep:])
	o.entries = o.entries[:keep]
	if keep > o.first {
		end = max(int(o.entries[keep-1].end), o.sent)
	}
	o.buf = o.buf[:max(end, o.sent)]
	o.sentTo = min(o.sentTo, keep)
	if keep == o.first {
		return
	}
	o.shed(p)
	if o.sentTo < keep && o.kept == o.start(o.sentTo) && o.sent > o.kept && o.entries[o.sentTo].state == entryStored {
		o.kept, o.severed = o.sent, true
	}
	o.compact()
	o.buf = p.fit(o.buf)
}
