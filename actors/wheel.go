package actors

import (
	"math/bits"
	"time"
)

// The timer wheel has two levels of 256 slots: ticks of 10 ms for the next 2.56 s, and coarse slots of 2.56 s for the
// next eleven minutes. A timer further away waits in the last coarse slot and is filed again when that comes up.
// Arming and stopping are O(1) and allocate nothing; a timer is a link in its owner's struct.
const (
	wheelTick  = 10 * time.Millisecond
	wheelSlots = 256
	wheelSpan  = wheelSlots * wheelSlots // ticks
)

// Timer is one deadline of a [Shard]. Embed it and set Fire before the first Set. It is owned by the goroutine of the
// shard it was set on.
type Timer struct {
	Fire func()

	next, prev *Timer
	deadline   int64 // tick
}

// armed reports whether the timer is waiting to fire.
func (t *Timer) armed() bool { return t.next != nil }

// wheel is the set of a shard's timers.
type wheel struct {
	tick  int64                       // the last tick that fired
	heads [2 * wheelSlots]Timer       // sentinels of circular lists: fine, then coarse
	used  [2 * wheelSlots / 64]uint64 // which lists may be non-empty
	count int
}

func (w *wheel) init(now time.Duration) {
	w.tick = int64(now / wheelTick)
	for i := range w.heads {
		h := &w.heads[i]
		h.next, h.prev = h, h
	}
}

// set files t to fire after d, rounded up to a whole tick.
func (w *wheel) set(t *Timer, now, d time.Duration) {
	w.stop(t)
	if d < 0 {
		d = 0
	}
	t.deadline = int64((now+d)/wheelTick) + 1
	if t.deadline <= w.tick {
		t.deadline = w.tick + 1
	}
	w.file(t)
	w.count++
}

func (w *wheel) stop(t *Timer) {
	if t.next == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	w.count--
}

func (w *wheel) file(t *Timer) {
	at := min(t.deadline, w.tick+wheelSpan-wheelSlots)
	slot := uint16(at % wheelSlots)
	if at-w.tick >= wheelSlots {
		slot = wheelSlots + uint16(at/wheelSlots%wheelSlots)
	}
	h := &w.heads[slot]
	t.next, t.prev = h, h.prev
	h.prev.next = t
	h.prev = t
	w.used[slot/64] |= 1 << (slot % 64)
}

// take unlinks the whole list of a slot and returns its first timer; the rest hang on next, ended by nil.
func (w *wheel) take(slot int) *Timer {
	w.used[slot/64] &^= 1 << (slot % 64)
	h := &w.heads[slot]
	first := h.next
	if first == h {
		return nil
	}
	h.prev.next = nil
	h.next, h.prev = h, h
	return first
}

// advance fires all timers due by now. A timer that another one's Fire stops or sets again meanwhile is left to it.
func (w *wheel) advance(now time.Duration) {
	target := int64(now / wheelTick)
	if w.count == 0 {
		w.tick = max(w.tick, target)
		return
	}
	for w.tick < target {
		w.tick++
		if w.tick%wheelSlots == 0 {
			w.refile(wheelSlots + int(w.tick/wheelSlots%wheelSlots))
		}
		h := &w.heads[w.tick%wheelSlots]
		for h.next != h {
			t := h.next
			w.stop(t)
			if t.deadline > w.tick {
				w.file(t)
				w.count++
				continue
			}
			t.Fire()
		}
		w.used[w.tick%wheelSlots/64] &^= 1 << (w.tick % wheelSlots % 64)
	}
}

func (w *wheel) refile(slot int) {
	for t := w.take(slot); t != nil; {
		next := t.next
		w.file(t)
		t = next
	}
}

// wait returns how long the shard may sleep: until the next slot that may hold a timer, negative for ever.
func (w *wheel) wait(now time.Duration) time.Duration {
	if w.count == 0 {
		return -1
	}
	due := w.nextCoarse()
	if fine := w.nextFine(); fine < due {
		due = fine
	}
	return max(time.Duration(due)*wheelTick-now, 0)
}

func (w *wheel) nextFine() int64 {
	if n := w.distance(0, int(w.tick+1)%wheelSlots); n >= 0 {
		return w.tick + 1 + int64(n)
	}
	return 1<<62 - 1
}

func (w *wheel) nextCoarse() int64 {
	turn := w.tick/wheelSlots + 1
	if n := w.distance(wheelSlots, int(turn%wheelSlots)); n >= 0 {
		return (turn + int64(n)) * wheelSlots
	}
	return 1<<62 - 1
}

// distance returns how many slots after from, in its level's circle, the next used one lies; -1 for none.
func (w *wheel) distance(level, from int) int {
	for i := 0; i <= wheelSlots/64; i++ {
		at := (from/64 + i) % (wheelSlots / 64)
		word := w.used[level/64+at]
		switch {
		case i == 0:
			word &= ^uint64(0) << (from % 64)
		case i == wheelSlots/64:
			word &= 1<<(from%64) - 1
		}
		if word != 0 {
			return (at*64 + bits.TrailingZeros64(word) - from + wheelSlots) % wheelSlots
		}
	}
	return -1
}
