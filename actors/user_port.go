package actors

import (
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// The methods in this file are what the delivery state asks of its actor: deliveryPort.

var _ deliveryPort = (*user)(nil)

func (u *user) seq() (uint64, bool) {
	n := u.nextSeq
	if n >= u.shard.broker.seqs.ceiling.Load() {
		u.shard.broker.seqs.kick()
		return 0, false
	}
	u.nextSeq++
	return n, true
}

func (u *user) owner() protocol.UserID { return u.id }

func (u *user) bounds() *Delivery { return u.shard.bounds() }

func (u *user) clock() (time.Duration, int64) { return u.shard.now, u.shard.broker.wall(u.shard.now) }

func (u *user) refusing() protocol.Code {
	b := u.shard.broker
	switch {
	case b.storeDown.Load():
		return protocol.CodeStoreUnavailable
	case b.storeFull():
		return protocol.CodeStoreFull
	}
	return protocol.CodeNone
}

func (u *user) append(a *appendOp) {
	if !a.accepted {
		w := u.waiting()
		w.appends = append(w.appends, a)
		w.until = append(w.until, u.shard.now+parkPatience)
	}
	u.shard.request(&op{kind: opAppend, user: u.id, owner: u, append: a, accepted: a.accepted})
}

func (u *user) read(after uint64, count, bytes int) {
	u.shard.requestRead(&op{kind: opRead, user: u.id, owner: u, epoch: u.epoch, read: persistence.ReadRequest{
		User: u.id, After: after, Count: count, Bytes: bytes, Now: u.shard.broker.wall(u.shard.now),
	}})
}

func (u *user) confirmStored(seq uint64) {
	u.shard.request(&op{kind: opConfirm, user: u.id, seq: seq})
}

// settle tells the sender's conn, on its own shard.
func (u *user) settle(s sender, code protocol.Code, a *arrival) {
	if code != protocol.CodeNone {
		u.shard.refused(code, s.user())
	}
	if s.link == nil {
		return
	}
	if s.link.shard != u.shard {
		u.shard.parcelFor(s.link.shard).settle(s, code, u.id, a.id)
		return
	}
	s.settle(code, &u.id, a.id)
}

// user returns who the sender is.
func (s sender) user() (id protocol.UserID) {
	if s.link != nil {
		id = s.link.id
	}
	return id
}

// settle runs on the shard of the sender's conn. By value, the id would be copied for every message; see outbox.place.
func (s sender) settle(code protocol.Code, to *protocol.UserID, id []byte) {
	var frame []byte
	if code != protocol.CodeNone && s.link.phase != linkDead {
		var text [protocol.UserIDLen]byte
		frame = s.link.errorFrame(code, to.AppendTo(text[:0]), id)
	}
	s.link.settle(s.ticket, int(s.size), code, frame)
}

// ack tells the sender that waits for it that its envelope is safe.
func (u *user) ack(m *remembered) {
	l := m.link
	m.link = nil
	if l == nil {
		return
	}
	u.shard.count(statAcked, 1)
	pool := &u.shard.pool
	pool.scratch = protocol.AppendAck(pool.scratch[:0], []byte(m.id), u.id)
	u.shard.tell(l, pool.scratch)
}

// conflict tells a sender, whose envelope was accepted, that its id is taken by another.
func (u *user) conflict(m *remembered) {
	l := m.link
	m.link = nil
	u.shard.refused(protocol.CodeIDConflict, sender{link: l}.user())
	if l == nil {
		return
	}
	var text [protocol.UserIDLen]byte
	u.shard.tell(l, protocol.AppendV1Error(nil, protocol.CodeIDConflict, []byte(m.id), u.id.AppendTo(text[:0])))
}

// drained tells a v1 client, behind the mail that was stored.
func (u *user) drained() {
	if u.link == nil || u.link.profile != V1 {
		return
	}
	frame := protocol.AppendFrame(nil, protocol.OpText, protocol.AppendDrained(nil))
	if out := u.delivery.out; out.len() > 0 {
		out.ride(&u.shard.pool, frame)
		u.link.touch()
		return
	}
	u.link.control(frame)
}

func (u *user) fail(close protocol.CloseCode) {
	if u.link != nil {
		u.link.expel(protocol.CodeNone, close)
	}
}

func (u *user) dirty() {
	if u.link != nil {
		u.link.touch()
	}
}

func (u *user) busy() bool { return u.link != nil && u.link.busy }

func (u *user) leaving() bool { return u.shard.leaving }

func (u *user) parked(n int, accepted bool) {
	u.shard.broker.emit(Event{Kind: EventParked, User: u.id, Count: n})
	if accepted {
		u.shard.count(statSpilled, n)
		return
	}
	u.shard.count(statParked, n)
}
