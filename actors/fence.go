package actors

import (
	"encoding/binary"
	"time"
)

// When a fence goes out without waiting for the interval.
const (
	fenceMessages = 64
	fenceSize     = 16 << 10
	fenceAlone    = 250 * time.Millisecond // after data that no fence has followed

	// In a write of so many messages one may always ride: its Pong is little beside them, and what is confirmed sooner
	// leaves memory, and the caches, sooner. That is worth a tenth of what a busy server costs.
	fenceBurst = 12
)

// fence is the Ping that confirms on the plain profile. At most one is in flight, so whichever of several Pings a
// client answers, the answer is to the same payload.
type fence struct {
	nonce  uint64        // 8 random bytes of the conn
	seq    uint64        // of the fence in flight, 0 for none
	last   time.Duration // when the last one was written
	since  stamp         // when the first data after it was written
	behind bool          // there is such data
	urgent bool          // a v1 sender waits
}

// ride appends a fence to the outbox if one is due, so that it leaves in the same write as the data before it.
func (d *delivery) ride(now time.Duration) {
	f := &d.fence
	if d.profile != Plain || d.out.len() == 0 || f.seq != 0 || d.mode == away {
		return
	}
	due := f.urgent || d.pastBound() || d.out.unsentEntries() >= fenceBurst ||
		now >= d.fenceDue(now) || d.out.unsent() > 0 && now-f.last >= d.port.bounds().ConfirmInterval
	if !due {
		return
	}
	seq := d.out.last().seq
	var frame [2 + fenceBytes]byte
	d.out.ride(d.pool, appendFence(frame[:0], f.nonce, seq))
	f.seq, f.last, f.behind, f.urgent = seq, now, false, false
}

// fenced notes that an envelope was put into the outbox. Past the bound its fence follows at once, not
// only behind all that the turn brings: who is cut before the end of a long page has confirmed its beginning.
func (d *delivery) fenced(now time.Duration, m *remembered) {
	f := &d.fence
	if !f.behind {
		f.behind, f.since = true, stampOf(now)
	}
	f.urgent = f.urgent || m != nil && m.link != nil
	if d.pastBound() {
		d.ride(now)
	}
}

// pastBound says that so much is unconfirmed that a fence does not wait. At the brim anything is.
func (d *delivery) pastBound() bool {
	return d.pool.brim || d.out.len() > fenceMessages || d.out.bytes() > fenceSize
}

// fenceDue returns when a fence is to go alone, 0 for never.
func (d *delivery) fenceDue(now time.Duration) time.Duration {
	if d.profile != Plain || d.out.len() == 0 || d.fence.seq != 0 {
		return 0
	}
	return d.fence.since.time(now) + fenceAlone
}

// pong takes a Pong and reports whether it answers the fence in flight: only then it confirms.
func (d *delivery) pong(payload []byte) bool {
	f := &d.fence
	if len(payload) != fenceBytes || f.seq == 0 ||
		binary.BigEndian.Uint64(payload) != f.nonce || binary.BigEndian.Uint64(payload[8:]) != f.seq {
		return false
	}
	seq := f.seq
	f.seq = 0
	d.confirm(seq)
	if d.out.len() > 0 {
		d.port.dirty() // another fence may be due at once
	}
	return true
}

// liveness returns the payload of a Ping that proves life: the fence's if one is unanswered.
func (f *fence) liveness(dst []byte) []byte {
	return appendFence(dst, f.nonce, f.seq)
}
