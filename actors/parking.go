package actors

import (
	"errors"
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Parking is the way from delivery to the store. During a turn the envelopes of one user gather in one appendOp; a
// turn that parks both accepted and new mail makes two, for a quota refusal among new mail must not be followed, in
// one store call, by mail that may not be refused.

// appendOp is mail of one user on its way to the store.
type appendOp struct {
	pending  []persistence.Pending
	parked   []parked // one for each
	errs     []error  // the store's answers, one for each
	buf      []byte   // the payloads, pooled
	held     int64    // bytes of buf that count as being spilled
	accepted bool
	blocked  bool // and as blocked; of the persister
}

// parked is what an appendOp knows of an envelope beside its record.
type parked struct {
	sender     sender      // whom to tell the outcome; accepted mail has nobody any more
	remembered *remembered // nil without an id
	placed     bool        // it is in the outbox as well, being spilled
}

// park sends a new envelope to the store. Its sender is told when the store has answered.
func (d *delivery) park(a *arrival) {
	seq, ok := d.port.seq()
	if !ok {
		d.port.settle(a.sender, protocol.CodeStoreUnavailable, a)
		return
	}
	_, wall := d.port.clock()
	d.parkAs(a, seq, wall)
}

func (d *delivery) parkAs(a *arrival, seq uint64, wall int64) {
	var m *remembered
	if len(a.id) > 0 {
		m = &remembered{idKey: idKey{a.from, string(a.id)}, seq: seq, link: a.sender.link}
	}
	op := d.opened(d.port.leaving())
	p := parked{remembered: m, sender: a.sender}
	if op.accepted {
		p.sender = sender{}
		d.port.settle(a.sender, protocol.CodeNone, a)
	}
	d.add(op, persistence.Pending{From: a.from, Seq: seq, Time: wall, Expires: d.expiry(wall, a.ttl)}, a.payload, p)
}

// expiry returns when an envelope of that time and ttl in seconds may be dropped.
func (d *delivery) expiry(wall, ttl int64) int64 {
	longest := d.port.bounds().TTL.Milliseconds()
	if ttl > 0 && ttl*1000 < longest {
		longest = ttl * 1000
	}
	return wall + longest
}

// opened returns the append being filled, of the wanted kind.
func (d *delivery) opened(accepted bool) *appendOp {
	if d.open != nil && d.open.accepted != accepted {
		d.flushOpen()
	}
	if d.open == nil {
		d.open = &appendOp{accepted: accepted}
	}
	return d.open
}

func (d *delivery) add(op *appendOp, p persistence.Pending, payload []byte, of parked) {
	op.buf = d.pool.grow(op.buf, len(payload))
	op.buf = append(op.buf, payload...)
	p.To, p.Accepted = d.port.owner(), op.accepted
	if of.remembered != nil {
		p.ID = of.remembered.id
	}
	if !of.placed {
		d.parking++
		d.parkedTo = max(d.parkedTo, p.Seq)
	}
	p.Payload = payload[:len(payload):len(payload)] // its length counts; flushOpen points it into buf
	op.pending = append(op.pending, p)
	op.parked = append(op.parked, of)
}

// flushOpen hands the gathered append on. The actor calls it at the end of its turn.
func (d *delivery) flushOpen() {
	op := d.open
	if op == nil {
		return
	}
	d.open = nil
	d.appends++
	start := 0
	for i := range op.pending {
		p := &op.pending[i]
		n := len(p.Payload)
		p.Payload = op.buf[start : start+n : start+n]
		start += n
	}
	op.errs = make([]error, len(op.pending))
	if op.accepted {
		op.held = int64(cap(op.buf))
		d.pool.budget.spilling.Add(op.held)
	}
	d.port.parked(len(op.pending), op.accepted)
	d.port.append(op)
}

// spill appends what is in the outbox and in memory alone.
func (d *delivery) spill() {
	list := d.out.list()
	for i := range list {
		e := &list[i]
		if e.state != entryLive {
			continue
		}
		var envelope protocol.Envelope
		if err := envelope.Parse(frameText(d.out.frameOf(i))); err != nil {
			panic("actors: frame in the outbox does not parse") // we wrote it; the actor's guardian takes over
		}
		from, _ := protocol.ParseUserID(protocol.Unescape(nil, envelope.From))
		d.spillOne(e, from, envelope.Payload)
	}
}

func (d *delivery) spillOne(e *entry, from protocol.UserID, payload []byte) {
	now, wall := d.port.clock()
	wall -= e.at.age(now).Milliseconds()
	var ttl int64
	if e.remembered != nil {
		ttl = e.remembered.ttl
	}
	p := persistence.Pending{From: from, Seq: e.seq, Time: wall, Expires: d.expiry(wall, ttl)}
	d.add(d.opened(true), p, payload, parked{remembered: e.remembered, placed: true})
	e.state = entrySpilling
}

// spillOld stores what has been in memory alone for too long: what is held as well, which then comes from the store.
func (d *delivery) spillOld() {
	d.spill()
	if d.held != nil {
		d.surrender()
		d.mode = draining
		d.next()
	}
}

// frameText returns the payload of the server's WebSocket frame at the beginning of b.
func frameText(b []byte) []byte {
	n, start := int(b[1]), 2
	switch n {
	case 126:
		n, start = int(b[2])<<8|int(b[3]), 4
	case 127:
		n, start = int(b[6])<<24|int(b[7])<<16|int(b[8])<<8|int(b[9]), 10
	}
	return b[start : start+n]
}

// surrender appends what was held: there is too much of it, or the conn ends. What was not accepted is new mail.
func (d *delivery) surrender() {
	if d.held == nil {
		return
	}
	for i := range d.held.list {
		h := &d.held.list[i]
		now, wall := d.port.clock()
		wall -= h.at.age(now).Milliseconds()
		if !d.known {
			d.parkAs(&h.arrival, h.seq, wall)
			continue
		}
		p := persistence.Pending{From: h.from, Seq: h.seq, Time: wall, Expires: d.expiry(wall, h.ttl)}
		d.add(d.opened(true), p, h.payload, parked{remembered: h.remembered})
		if h.remembered != nil {
			d.recents.keep(h.remembered)
		}
	}
	d.unhold()
}

// stored takes the outcome of an append.
func (d *delivery) stored(op *appendOp) {
	d.appends--
	for i := range op.pending {
		seq, err := op.pending[i].Seq, op.errs[i]
		if op.parked[i].placed {
			if e := d.entryOf(seq); e != nil {
				e.state = entryStored
			}
		} else {
			d.parking--
			if err == nil {
				d.storedTo = max(d.storedTo, seq)
			}
		}
		d.settleStored(op, i, codeOfStore(err))
	}
	d.pool.put(op.buf)
	d.pool.budget.spilling.Add(-op.held)
	d.cut()
	d.out.shed(d.pool)
	d.advanceMode()
}

// entryOf returns the outbox entry being spilled with that seq.
func (d *delivery) entryOf(seq uint64) *entry {
	list := d.out.list()
	i, ok := slices.BinarySearchFunc(list, seq, func(e entry, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &list[i]
}

// settleStored tells the sender of one envelope what the store said of it.
func (d *delivery) settleStored(op *appendOp, i int, code protocol.Code) {
	of := &op.parked[i]
	switch m := of.remembered; {
	case m == nil:
	case code == protocol.CodeNone:
		d.ackOnce(m)
	case op.accepted && code == protocol.CodeIDConflict:
		d.port.conflict(m)
	}
	d.port.settle(of.sender, code, &arrival{from: op.pending[i].From, id: []byte(op.pending[i].ID)})
	of.sender = sender{}
}

// expired tells the senders of an append that takes too long that the store is unavailable. What becomes of it in
// the end is nobody's to know: an id may be sent again, and the store then says whether it has it.
func (d *delivery) expired(op *appendOp) {
	for i := range op.parked {
		of := &op.parked[i]
		d.port.settle(of.sender, protocol.CodeStoreUnavailable, &arrival{from: op.pending[i].From, id: []byte(op.pending[i].ID)})
		of.sender = sender{}
		if of.remembered != nil {
			of.remembered.link = nil
		}
	}
}

// codeOfStore says what a sender is told of a store's error. A duplicate is what the sender wants: it is there.
func codeOfStore(err error) protocol.Code {
	switch {
	case err == nil, errors.Is(err, persistence.ErrDuplicate):
		return protocol.CodeNone
	case errors.Is(err, persistence.ErrConflict):
		return protocol.CodeIDConflict
	case errors.Is(err, persistence.ErrQuota):
		return protocol.CodeMailboxFull
	case errors.Is(err, persistence.ErrFull):
		return protocol.CodeStoreFull
	}
	return protocol.CodeStoreUnavailable
}
