package actors

import (
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Draining is the way from the store to delivery. A new conn begins by catching up: arrivals are held in memory while
// the first page is read. Should there be more pages, or too many arrivals, these are parked behind what is stored, and
// the user drains; once a page comes back short, arrivals are held again, and when the appends under way are through and
// read, what was held follows and the user is live. Waiting for an empty page instead would never end while mail arrives.
//
// What is held is accepted only once a page has come back short, so that all there is in the store is in the outbox too.
// Before that it is the store's quota that decides if the conn ends: else each conn could leave more than the one before.

// held is an arrival that came while catching up, in memory of its own.
type held struct {
	arrival    // with its sender until it is accepted
	seq        uint64
	at         stamp
	remembered *remembered // nil until then
}

// holding is what is held for one user.
type holding struct {
	list []held
	size int
}

// hold keeps an envelope that goes to the outbox as soon as the store's rest has.
func (d *delivery) hold(a *arrival) {
	seq, ok := d.port.seq()
	if !ok {
		d.port.settle(a.sender, protocol.CodeStoreUnavailable, a)
		return
	}
	now, _ := d.port.clock()
	h := held{arrival: *a, seq: seq, at: stampOf(now)}
	buf := append(append(d.pool.get(len(a.payload)+len(a.frame)), a.payload...), a.frame...)
	h.payload, h.frame, h.id = buf[:len(a.payload)], nil, nil
	if a.frame != nil {
		h.frame = buf[len(a.payload):]
	}
	if len(a.id) > 0 {
		h.id = slices.Clone(a.id)
	}
	if d.held == nil {
		d.held = &holding{}
	}
	if d.known {
		d.admit(&h)
	}
	d.held.list = append(d.held.list, h)
	d.held.size += len(a.payload) + frameOverhead
}

// admit accepts a held envelope.
func (d *delivery) admit(h *held) {
	h.remembered = d.remember(&h.arrival, h.seq)
	d.port.settle(h.sender, protocol.CodeNone, &h.arrival)
	h.sender = sender{}
}

// admitHeld accepts what was held so far, but for repeats of what came from the store meanwhile.
func (d *delivery) admitHeld() {
	if d.known || d.held == nil {
		return
	}
	list := d.held.list
	d.held.list, d.held.size = list[:0], 0
	for i := range list {
		h := &list[i]
		if d.repeated(&h.arrival) {
			d.pool.put(h.payload)
			continue
		}
		d.admit(h)
		d.held.list = append(d.held.list, *h)
		d.held.size += len(h.payload) + frameOverhead
	}
	clear(list[len(d.held.list):])
	if len(d.held.list) == 0 {
		d.held = nil
	}
}

// unhold returns the memory of the held envelopes.
func (d *delivery) unhold() {
	if d.held == nil {
		return
	}
	for i := range d.held.list {
		d.pool.put(d.held.list[i].payload)
	}
	d.held = nil
}

// maxPage is how many bytes of payloads a page has at most, beside its first envelope's.
const maxPage = 128 << 10

// tightPage is the same while the memory budget is exceeded.
const tightPage = 8 << 10

// next asks for the following page, if one is wanted and there is room for it.
func (d *delivery) next() {
	if d.mode != draining && d.mode != catching || d.reading || d.port.busy() ||
		d.known && d.parking == 0 && d.storedTo <= d.placed {
		return
	}
	// More than a v1 client's window is read ahead: it is sent as the window moves, without the store's delay in between.
	count := min(maxUnconfirmed-d.out.len(), 2*maxUnacked)
	space := d.port.bounds().OutboxBytes - d.out.bytes()
	if d.out.len() > 0 && (count < maxUnacked/2 || space < d.port.bounds().OutboxBytes/2) {
		return
	}
	page := maxPage
	if d.pool.tight {
		if page = tightPage; d.profile == V1 && d.out.len() >= maxUnacked {
			return // the next recv asks again
		}
	}
	d.flushOpen() // what was parked must be in the store before it is read
	d.reading = true
	d.readTo = d.parkedTo
	d.port.read(d.placed, max(count, 1), min(max(space, 1), page))
}

// page takes what was read. A failed read is asked for again in a while, but a conn whose first read failed is told to
// come again.
//
// A partial page ends before mail that the full store has not taken yet: it is no end.
func (d *delivery) page(p *persistence.Page, partial bool) {
	d.reading = false
	if d.mode != draining && d.mode != catching {
		return
	}
	if !d.known && (p.Err != nil || partial || p.More) { // nobody is to wait for an answer until all is read
		d.surrender()
		d.mode = draining
	}
	if p.Err != nil {
		if !d.begun {
			d.port.fail(protocol.CloseTryAgain)
		}
		return
	}
	d.begun = true
	for i := range p.Pending {
		d.placeStored(&p.Pending[i])
	}
	if partial && !p.More {
		d.cut()
		return // asked again in a while
	}
	if !p.More {
		d.admitHeld()
		d.known = true
		d.placed = max(d.placed, d.readTo) // what is not there by now was refused or has expired
		if !d.toldDrained {
			d.toldDrained = true
			d.port.drained()
		}
		d.mode = catching
	}
	d.cut()
	d.advanceMode()
}

func (d *delivery) placeStored(p *persistence.Pending) {
	if p.Seq <= d.placed {
		return
	}
	a := arrival{from: p.From, payload: p.Payload, id: []byte(p.ID)}
	m := d.recents.get(p.From, a.id)
	if m != nil && m.done && m.digest == digest(p.Payload) {
		d.skip(p.Seq)
		return
	}
	switch {
	case m != nil && m.digest == digest(p.Payload): // kept, or held while this one was in the store unseen
		d.recents.renumber(m, p.Seq)
		m.safe = true
		d.port.ack(m)
	case m != nil:
		d.port.conflict(m)
		m = d.remember(&a, p.Seq)
		m.safe = true
	default:
		if m = d.remember(&a, p.Seq); m != nil {
			m.safe = true
		}
	}
	now, _ := d.port.clock()
	d.write(&a, p.Seq, p.Time, p.Seq <= d.written)
	d.out.place(p.Seq, len(p.Payload), stampOf(now), entryStored, m)
	d.out.last().drained = true
	d.pool.meter.pending++
	d.placed = p.Seq
	d.fenced(now, m)
	d.port.dirty()
}

// skip passes over a stored repeat of an envelope that the client has confirmed: it was appended while the first one was
// being read, and that one was gone from the store by then. It is deleted with the next that is confirmed.
func (d *delivery) skip(seq uint64) {
	d.placed = seq
	if d.out.len() == 0 {
		d.port.confirmStored(seq)
	}
}

// advanceMode goes live if the store holds nothing more and no append is under way; else it asks for what is left.
func (d *delivery) advanceMode() {
	if d.mode != draining && d.mode != catching {
		return
	}
	if d.reading || d.relieving || !d.known || d.parking > 0 || d.storedTo > d.placed {
		d.next()
		return
	}
	d.mode = live
	if d.held != nil {
		for i := range d.held.list {
			d.placeHeld(&d.held.list[i])
		}
		d.unhold()
	}
}

func (d *delivery) placeHeld(h *held) {
	m := h.remembered
	if m != nil && (d.recents.get(h.from, h.id) != m || m.seq != h.seq) {
		return // a repeat of what came from the store meanwhile
	}
	if h.seq <= d.confirmed {
		return // the client says that it has it; it cannot, and loses nobody's mail but its own
	}
	now, wall := d.port.clock()
	d.write(&h.arrival, h.seq, wall, false)
	d.out.place(h.seq, len(h.payload), h.at, entryLive, m)
	d.pool.meter.pending++
	d.placed = h.seq
	d.fenced(now, m)
	d.port.dirty()
}
