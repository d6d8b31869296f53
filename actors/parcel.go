package actors

import (
	"bytes"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// parcel is what one shard has for another at the end of a turn: envelopes, the outcomes of envelopes, and frames for
// conns. What it holds is its own copy, for the turn it came from is over when it is opened.
type parcel struct {
	shard    *Shard // whom it is for
	buf      []byte
	arrivals []posted
	outcomes []settled
	frames   []told
}

type posted struct {
	to                 protocol.UserID
	payload, frame, id int // lengths in buf, in this order; frame -1 for none
	arrival            arrival
}

type settled struct {
	sender sender
	code   protocol.Code
	to     protocol.UserID
	id     string
}

type told struct {
	link *Link
	text []byte
}

// parcelFor returns the parcel that this turn sends to target.
func (s *Shard) parcelFor(target *Shard) *parcel {
	p := s.parcels[target.index]
	if p == nil {
		p = &parcel{shard: target}
		s.parcels[target.index] = p
	}
	return p
}

func (p *parcel) submit(to protocol.UserID, a *arrival) {
	item := posted{to: to, payload: len(a.payload), frame: -1, id: len(a.id), arrival: *a}
	p.buf = append(p.buf, a.payload...)
	if a.frame != nil {
		item.frame = len(a.frame)
		p.buf = append(p.buf, a.frame...)
	}
	p.buf = append(p.buf, a.id...)
	p.arrivals = append(p.arrivals, item)
}

func (p *parcel) settle(s sender, code protocol.Code, to protocol.UserID, id []byte) {
	p.outcomes = append(p.outcomes, settled{sender: s, code: code, to: to, id: string(id)})
}

// Run opens the parcel on its shard.
func (p *parcel) Run() {
	buf := p.buf
	take := func(n int) []byte {
		b := buf[:n:n]
		buf = buf[n:]
		return b
	}
	for i := range p.arrivals {
		item := &p.arrivals[i]
		a := &item.arrival
		a.payload = take(item.payload)
		if item.frame >= 0 {
			a.frame = take(item.frame)
		}
		a.id = take(item.id)
		p.shard.userFor(&item.to).push(p.shard.letter(letter{kind: letterSubmit, arrival: *a}))
	}
	for _, o := range p.outcomes {
		o.sender.settle(o.code, &o.to, []byte(o.id))
	}
	for _, t := range p.frames {
		t.link.answer(t.text)
	}
}

// tell sends an answer, a JSON text, to a conn here or on another shard.
func (s *Shard) tell(l *Link, text []byte) {
	if l.shard == s {
		l.answer(text)
		return
	}
	p := s.parcelFor(l.shard)
	p.frames = append(p.frames, told{link: l, text: bytes.Clone(text)})
}

func (s *Shard) sendParcels() {
	for i, p := range s.parcels {
		if p != nil {
			s.parcels[i] = nil
			p.shard.Post(p)
		}
	}
}

// request hands an op to the persistence actor of its user at the end of the turn.
func (s *Shard) request(o *op) {
	i := s.broker.persisterOf(o.user)
	s.ops[i] = append(s.ops[i], o)
}

// maxReads bounds the pages a shard asks for at a time, so that mail on its way to the store does not wait behind those
// of a thousand users who have come at once.
const maxReads = 32

// requestRead asks for a page, in its turn.
func (s *Shard) requestRead(o *op) {
	if s.reads >= maxReads {
		s.waitingReads = append(s.waitingReads, o)
		return
	}
	s.reads++
	s.request(o)
}

// readDone follows the answer to a read.
func (s *Shard) readDone() {
	s.reads--
	for s.reads < maxReads && len(s.waitingReads) > 0 {
		o := s.waitingReads[0]
		s.waitingReads[0] = nil
		s.waitingReads = s.waitingReads[1:]
		if o.epoch == o.owner.epoch { // otherwise its conn is gone
			s.reads++
			s.request(o)
		}
	}
}

func (s *Shard) sendOps() {
	for i, ops := range s.ops {
		if len(ops) > 0 {
			s.broker.persisters[i].queue.post(ops)
			clear(ops)
			s.ops[i] = ops[:0]
		}
	}
}
