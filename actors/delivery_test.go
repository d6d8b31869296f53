package actors

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The property test of the delivery state: one user, three senders, a store that answers late, fails, forgets replies
// or is full, conns that come and go, take bytes in pieces, confirm or do not, and a server that crashes. The promises
// are checked after every step, and at the end, when everything works again, all that was accepted must arrive.

// check holds the invariants after every step.
func (w *world) check(*rapid.T) {
	if w.d.out.len() > 2*maxUnconfirmed+maxUnacked || w.d.holds() > maxUnconfirmed {
		w.t.Fatalf("%d unconfirmed and %d held", w.d.out.len(), w.d.holds())
	}
	if n := w.d.out.bytes(); n > 3*w.settings.OutboxBytes+maxUnacked*2*frameOverhead {
		w.t.Fatalf("%d bytes in an outbox of %d", n, w.settings.OutboxBytes)
	}
	owed := 0
	for _, e := range w.d.out.list() {
		owed += int(e.size)
	}
	if owed != w.d.out.owed {
		w.t.Fatalf("%d bytes are owed, %d are counted", owed, w.d.out.owed)
	}
	if w.meter.pending != int64(w.d.out.len()) {
		w.t.Fatalf("%d pending are counted, %d are in the outbox", w.meter.pending, w.d.out.len())
	}
	for _, m := range w.sent {
		if m.acked {
			w.checkSafe(m)
		}
	}
	if w.d.mode == live {
		w.checkNothingSkipped()
	}
	if r := w.d.recents; r != nil && !slices.IsSortedFunc(r.stored, func(a, b *remembered) int { return cmp.Compare(a.seq, b.seq) }) {
		w.t.Fatal("what was kept is not in order")
	}
	if w.d.mode != live && w.d.unstored() > w.d.holds() {
		w.t.Fatalf("mode %d with envelopes in memory alone", w.d.mode)
	}
}

// checkNothingSkipped: a user is live only when all the store has for it is in the outbox, or confirmed.
func (w *world) checkNothingSkipped() {
	for _, p := range w.store.mail {
		if p.Seq > w.d.confirmed && w.d.entryOf(p.Seq) == nil && !w.has[string(p.Payload)] {
			w.t.Fatalf("%s is in the store and the user is live without it", p.Payload)
		}
	}
}

// settleAll lets everything work again and checks that all accepted mail arrives, in order.
func (w *world) settleAll() {
	w.store.down, w.store.full, w.closing, w.stuck, w.pool.tight, w.pool.brim = false, false, false, false, false, false
	w.drainAll()
	w.attach(true)
	for i := 0; w.d.mode != live || w.d.out.len() > 0; i++ {
		if i > 20000 {
			w.t.Fatalf("stuck: mode %d, %d in the outbox, %d held, %d in the store", w.d.mode, w.d.out.len(), w.d.holds(), len(w.store.mail))
		}
		w.serve(0)
		w.answer()
		w.d.advanceMode()
		w.write(1 << 20)
		w.confirm()
	}
	w.drainAll()
	for _, p := range w.store.mail {
		if !w.has[string(p.Payload)] { // a repeat may wait there for the next confirm
			w.t.Fatalf("%s is left in the store", p.Payload)
		}
	}
	for _, m := range w.sent {
		if (m.ok || m.acked) && !m.refused && !m.crashed && !w.expired[m.payload] && !w.has[m.payload] {
			w.t.Fatalf("%+v was accepted and never arrived", m)
		}
	}
	for _, m := range w.sent {
		if m.id != "" && m.ok && !m.crashed && !m.cut && !m.acked {
			w.t.Fatalf("%+v was settled and never acknowledged", m)
		}
	}
	w.checkOrder()
	w.pool.tell()
	if b := w.pool.budget; b.used.Load() != 0 || b.spilling.Load() != 0 {
		w.t.Fatalf("%d bytes of buffers did not come back, %d are being spilled", b.used.Load(), b.spilling.Load())
	}
}

func (w *world) drainAll() {
	for len(w.queue)+len(w.replies) > 0 {
		w.serve(0)
		w.answer()
	}
}

// checkOrder: each sender's mail came, judged on first occurrences, in the order in which the user took it in.
func (w *world) checkOrder() {
	last := [3]int{-1, -1, -1}
	for _, payload := range w.firstSeen {
		m := w.sent[payload]
		at := slices.Index(w.accepted, payload)
		if at < last[m.from] && m.id == "" {
			w.t.Fatalf("%s was overtaken by %s", payload, w.accepted[last[m.from]])
		}
		last[m.from] = max(last[m.from], at)
	}
}

func TestDelivery_KeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		number := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
		t.Repeat(map[string]func(*rapid.T){
			"submit": func(t *rapid.T) {
				for range 1 + number("more", 5) {
					w.submit(number("sender", 3), number("id", 2) == 1)
				}
			},
			"repeat":  func(t *rapid.T) { w.repeat(number("which", 100)) },
			"attach":  func(t *rapid.T) { w.attach(number("v1", 2) == 1) },
			"detach":  func(t *rapid.T) { w.detach() },
			"write":   func(t *rapid.T) { w.write(1 + number("bytes", 400)) },
			"confirm": func(t *rapid.T) { w.confirm() },
			"serve": func(t *rapid.T) {
				for range 1 + number("ops", 4) {
					w.serve(number("lost", 4))
				}
			},
			"answer": func(t *rapid.T) { w.answer() },
			"spill":  func(t *rapid.T) { w.spill() },
			"relieve": func(t *rapid.T) {
				w.d.relieve()
				w.d.flushOpen()
			},
			"tight":   func(t *rapid.T) { w.pool.tight, w.pool.brim = number("tight", 2) == 0, number("brim", 4) == 0 },
			"stuck":   func(t *rapid.T) { w.stuck = number("stuck", 3) == 0 },
			"advance": func(t *rapid.T) { w.d.advanceMode(); w.d.flushOpen() },
			"store": func(t *rapid.T) {
				w.store.down = number("down", 3) == 0
				w.store.full = number("full", 4) == 0
				w.noticed = number("noticed", 2) == 0
			},
			"expire": func(t *rapid.T) {
				if n := len(w.store.mail); n > 0 {
					i := number("which", n)
					w.expired[string(w.store.mail[i].Payload)] = true
					w.store.mail = slices.Delete(w.store.mail, i, i+1)
				}
			},
			"crash": func(t *rapid.T) {
				if number("really", 4) == 0 {
					w.crash()
				}
			},
			"": w.check,
		})
		w.settleAll()
	})
}
