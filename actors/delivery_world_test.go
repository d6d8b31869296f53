package actors

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// world is everything around one delivery state. It is its port.
type world struct {
	t        *rapid.T
	d        *delivery
	pool     pool
	meter    meter
	settings Delivery
	self     protocol.UserID
	from     [3]protocol.UserID

	now     uint32
	nextSeq uint64
	epoch   int
	lastSeq uint64 // the last that came on any v1 conn
	noticed bool   // how the store is
	stuck   bool
	seqOf   map[string]uint64 // of what came on v1 conns
	closing bool

	queue   []*worldOp // requests, in order
	replies []func()   // answers on their way back, in order
	store   worldStore

	sent     map[string]*worldMail // by payload
	accepted []string              // payloads in the order in which the user took them in
	counter  int
	links    [3]*Link

	conn *worldConn
	// What clients have seen over all conns.
	seen      map[string]int
	firstSeen []string
	has       map[string]bool // confirmed by the client
	expired   map[string]bool
	again     map[string]bool // may come again after its confirm, for the server crashed
}

// worldMail is one message of a test.
type worldMail struct {
	payload string
	from    int
	id      string
	ok      bool // the submission was settled without an error, or acknowledged
	refused bool
	acked   bool
	cut     bool // the server crashed before it was acknowledged: its sender is to ask again
	crashed bool // in memory, not acknowledged, when the server crashed: may be lost
}

type worldOp struct {
	append  *appendOp
	read    *persistence.ReadRequest
	confirm uint64
	epoch   int
	done    bool // the store has executed it once already, and the reply was lost
}

// worldConn is the client of the conn.
type worldConn struct {
	v1      bool
	raw     []byte
	got     map[string]bool
	ping    []byte
	lastSeq uint64
	failed  bool
}

// worldStore is the plainest store that keeps the contract.
type worldStore struct {
	mail    []persistence.Pending
	highest uint64
	quota   int
	full    bool
	down    bool
}

func (s *worldStore) append(p persistence.Pending) error {
	for _, m := range s.mail {
		if p.ID != "" && m.ID == p.ID && m.From == p.From {
			switch {
			case m.Seq == p.Seq:
				return nil
			case string(m.Payload) == string(p.Payload):
				return persistence.ErrDuplicate
			}
			return persistence.ErrConflict
		}
	}
	if p.Seq <= s.highest {
		return nil
	}
	if s.full {
		return persistence.ErrFull
	}
	if !p.Accepted && len(s.mail) >= s.quota {
		return persistence.ErrQuota
	}
	s.highest = p.Seq
	p.Payload = slices.Clone(p.Payload)
	s.mail = append(s.mail, p)
	return nil
}

func (s *worldStore) confirm(seq uint64) {
	s.mail = slices.DeleteFunc(s.mail, func(p persistence.Pending) bool { return p.Seq <= seq })
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, settings: DefaultDelivery(), sent: map[string]*worldMail{}, seen: map[string]int{}, has: map[string]bool{}, again: map[string]bool{}, expired: map[string]bool{}, seqOf: map[string]uint64{},
		self: protocol.NewUserID([]byte("self")), nextSeq: 1000,
	}
	w.settings.OutboxBytes = rapid.SampledFrom([]int{64, 400, 4000}).Draw(t, "outbox")
	w.store.quota = rapid.SampledFrom([]int{5, 50, 100000}).Draw(t, "quota")
	for i := range w.from {
		w.from[i] = protocol.NewUserID(fmt.Append(nil, "sender", i))
		w.links[i] = &Link{}
	}
	w.fresh()
	return w
}

// fresh makes the delivery state of an actor that has just been spawned.
func (w *world) fresh() {
	w.meter = meter{}
	w.pool = pool{budget: &budget{limit: 1 << 40}, meter: &w.meter}
	w.d = &delivery{}
	w.d.init(w, &w.pool)
	w.queue, w.replies, w.conn = nil, nil, nil
	w.epoch++
}

// deliveryPort.

func (w *world) seq() (uint64, bool)    { w.nextSeq++; return w.nextSeq, true }
func (w *world) owner() protocol.UserID { return w.self }
func (w *world) bounds() *Delivery      { return &w.settings }
func (w *world) clock() (time.Duration, int64) {
	return time.Duration(w.now) * time.Millisecond, int64(w.now) + 1e9
}
func (w *world) refusing() protocol.Code {
	switch {
	case w.noticed && w.store.down:
		return protocol.CodeStoreUnavailable
	case w.noticed && w.store.full:
		return protocol.CodeStoreFull
	}
	return protocol.CodeNone
}
func (w *world) append(op *appendOp)    { w.queue = append(w.queue, &worldOp{append: op}) }
func (w *world) confirmStored(n uint64) { w.queue = append(w.queue, &worldOp{confirm: n}) }
func (w *world) parked(int, bool)       {}
func (w *world) drained()               {}
func (w *world) dirty()                 {}
func (w *world) leaving() bool          { return w.closing }
func (w *world) busy() bool             { return w.stuck }
func (w *world) fail(protocol.CloseCode) {
	if w.conn != nil {
		w.conn.failed = true
	}
}

func (w *world) read(after uint64, count, bytes int) {
	w.queue = append(w.queue, &worldOp{epoch: w.epoch, read: &persistence.ReadRequest{After: after, Count: count, Bytes: bytes}})
}

func (w *world) settle(s sender, code protocol.Code, _ *arrival) {
	if s.link == nil {
		return
	}
	m := w.sent[fmt.Sprint("p", s.ticket)]
	switch {
	case m.ok || m.refused:
		w.t.Fatalf("%s settled twice", m.payload)
	case code == protocol.CodeNone:
		m.ok = true
	default:
		m.refused = true
	}
}

func (w *world) ack(m *remembered) {
	if m.link == nil {
		return
	}
	m.link = nil
	for _, sent := range w.sent {
		if sent.id == m.id && w.from[sent.from] == m.from {
			sent.acked = true
			w.checkSafe(sent)
		}
	}
}

func (w *world) conflict(m *remembered) {
	w.t.Fatalf("conflict over %s, whose payload is always the same", m.id)
}

// checkSafe is the promise of an ack: stored, or the client has it.
func (w *world) checkSafe(m *worldMail) {
	if w.has[m.payload] || w.inStore(m.payload) || w.expired[m.payload] {
		return
	}
	w.t.Fatalf("%s was acknowledged and is neither stored nor confirmed", m.payload)
}

func (w *world) inStore(payload string) bool {
	return slices.ContainsFunc(w.store.mail, func(p persistence.Pending) bool { return string(p.Payload) == payload })
}
