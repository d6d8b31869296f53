package actors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// The property test of the delivery state: one user, three senders, a store that answers late, fails, forgets replies
// or is full, conns that come and go, take bytes in pieces, confirm or do not, and a server that crashes. The promises
// are checked after every step, and at the end, when everything works again, all that was accepted must arrive.

// world is everything around one delivery state. It is its port.
type world struct {
	t      *rapid.T
	d      *delivery
	pool   pool
	meter  meter
	bounds Delivery
	self   protocol.UserID
	from   [3]protocol.UserID

	now     uint32
	nextSeq uint64
	epoch   int
	lastSeq uint64 // the last that came on any v1 conn
	isDown  bool
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
		t: t, bounds: DefaultDelivery(), sent: map[string]*worldMail{}, seen: map[string]int{}, has: map[string]bool{}, again: map[string]bool{}, expired: map[string]bool{}, seqOf: map[string]uint64{},
		self: protocol.NewUserID([]byte("self")), nextSeq: 1000,
	}
	w.bounds.OutboxBytes = rapid.SampledFrom([]int{64, 400, 4000}).Draw(t, "outbox")
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
	w.d.init(w, &w.bounds, &w.pool)
	w.queue, w.replies, w.conn = nil, nil, nil
	w.epoch++
}

// deliveryPort.

func (w *world) seq() (uint64, bool)    { w.nextSeq++; return w.nextSeq, true }
func (w *world) owner() protocol.UserID { return w.self }
func (w *world) clock() (time.Duration, int64) {
	return time.Duration(w.now) * time.Millisecond, int64(w.now) + 1e9
}
func (w *world) storeDown() bool        { return w.isDown }
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

// Steps.

func (w *world) submit(from int, id bool) {
	w.counter++
	m := &worldMail{payload: fmt.Sprint("p", w.counter), from: from}
	if id {
		m.id = "id" + m.payload
	}
	w.sent[m.payload] = m
	w.arrive(m, uint32(w.counter))
	w.accepted = append(w.accepted, m.payload)
}

func (w *world) arrive(m *worldMail, ticket uint32) {
	a := arrival{from: w.from[m.from], payload: []byte(m.payload), id: []byte(m.id), sender: sender{link: w.links[m.from], ticket: ticket}}
	if m.id == "" {
		a.frame = protocol.AppendPlainMessage(nil, a.from, w.self, a.payload)
	}
	w.d.submit(&a)
	w.d.flushOpen()
}

// repeat sends one of the unacknowledged again, as a client does that got no ack.
func (w *world) repeat(i int) {
	var open []*worldMail
	for n := range w.counter {
		if m := w.sent[fmt.Sprint("p", n+1)]; m != nil && m.id != "" && !m.acked && !m.crashed {
			open = append(open, m)
		}
	}
	if len(open) == 0 {
		return
	}
	m := open[i%len(open)]
	w.counter++
	ticket := fmt.Sprint("p", w.counter)
	w.sent[ticket] = &worldMail{payload: m.payload, from: m.from, id: m.id, refused: false}
	w.arrive(m, uint32(w.counter))
}

func (w *world) attach(v1 bool) {
	w.detach()
	w.conn = &worldConn{v1: v1, got: map[string]bool{}}
	profile := Plain
	if v1 {
		profile = V1
	}
	w.epoch++
	w.d.attach(profile, uint64(w.epoch)<<32)
}

func (w *world) detach() {
	if w.conn == nil {
		return
	}
	w.conn = nil
	w.epoch++
	w.d.detach()
	w.d.flushOpen()
}

// write lets the conn take up to n bytes.
func (w *world) write(n int) {
	if w.conn == nil {
		return
	}
	if w.stuck {
		return
	}
	w.d.ride(0)
	o := w.d.out
	take := min(n, w.d.sendLimit()-o.sent)
	if take <= 0 {
		return
	}
	w.conn.raw = append(w.conn.raw, o.buf[o.sent:o.sent+take]...)
	w.d.sent(take)
	w.d.flushOpen()
	w.parse()
}

func (w *world) parse() {
	c := w.conn
	for len(c.raw) >= 4 {
		n, head := int(c.raw[1]), 2
		if n == 126 {
			n, head = int(binary.BigEndian.Uint16(c.raw[2:])), 4
		}
		if len(c.raw) < head+n {
			return
		}
		body := c.raw[head : head+n]
		if protocol.Opcode(c.raw[0]&15) == protocol.OpPing {
			c.ping = slices.Clone(body)
		} else {
			w.received(body)
		}
		c.raw = c.raw[head+n:]
	}
}

func (w *world) received(text []byte) {
	var m struct {
		Payload string
		Seq     uint64
	}
	if err := json.Unmarshal(text, &m); err != nil {
		w.t.Fatalf("frame %q: %v", text, err)
	}
	if w.conn.got[m.Payload] {
		w.t.Fatalf("%s came twice on one conn", m.Payload)
	}
	w.conn.got[m.Payload] = true
	if w.conn.v1 {
		if m.Seq <= w.conn.lastSeq {
			w.t.Fatalf("seq %d after %d", m.Seq, w.conn.lastSeq)
		}
		w.conn.lastSeq = m.Seq
		w.lastSeq = m.Seq
		w.seqOf[m.Payload] = m.Seq
	}
	if w.has[m.Payload] && !w.again[m.Payload] {
		w.t.Fatalf("%s came again after it was confirmed", m.Payload)
	}
	w.seen[m.Payload]++
	if w.seen[m.Payload] == 1 {
		w.firstSeen = append(w.firstSeen, m.Payload)
	}
}

// confirm has the client confirm what it got on this conn.
func (w *world) confirm() {
	c := w.conn
	if c == nil {
		return
	}
	if c.v1 {
		if w.lastSeq > 0 { // on a new conn this resumes after the last one
			w.hasAllUpTo(w.lastSeq)
			w.d.confirm(w.lastSeq)
		}
	} else if c.ping != nil {
		ping := c.ping
		c.ping = nil
		if w.d.fence.seq != 0 && binary.BigEndian.Uint64(ping) == w.d.fence.nonce {
			w.hasAllUpTo(binary.BigEndian.Uint64(ping[8:]))
		}
		w.d.pong(ping)
	}
	w.d.flushOpen()
}

// hasAllUpTo notes what the client confirms: what it got on this conn up to seq. By the time of a fence or a recv it
// has got all of that.
func (w *world) hasAllUpTo(seq uint64) {
	for i, e := range w.d.out.list() {
		if e.seq > seq {
			break
		}
		if frame := w.d.out.frameOf(i); len(frame) > 0 {
			var envelope protocol.Envelope
			if err := envelope.Parse(frameText(frame)); err != nil {
				w.t.Fatal(err)
			}
			w.gotIt(string(envelope.Payload))
		}
	}
	for _, p := range w.store.mail {
		if p.Seq <= seq {
			w.gotIt(string(p.Payload))
		}
	}
	for payload, of := range w.seqOf {
		if of <= seq {
			w.gotIt(payload)
		}
	}
}

func (w *world) gotIt(payload string) {
	if w.seen[payload] == 0 {
		w.t.Fatalf("%s is about to be confirmed, but never came", payload)
	}
	w.has[payload] = true
}

// serve has the store execute the next request. fate: 0 works, 1 the reply is lost, so that it is unknown.
func (w *world) serve(fate int) {
	if len(w.queue) == 0 {
		return
	}
	op := w.queue[0]
	if w.store.down {
		w.failOp(op)
		return
	}
	switch {
	case op.append != nil:
		again := false
		for i := range op.append.pending {
			err := w.store.append(op.append.pending[i])
			op.append.errs[i] = err
			again = again || op.append.accepted && errors.Is(err, persistence.ErrFull)
		}
		if again {
			w.passFull()
			return
		}
		if fate == 1 && !op.done {
			op.done = true
			return // it stays the next, and everything waits behind it
		}
		w.replies = append(w.replies, func() { w.d.stored(op.append) })
	case op.read != nil:
		w.reply(op, w.page(op.read), false)
	default:
		w.store.confirm(op.confirm)
	}
	w.queue = w.queue[1:]
}

// failOp is what a store that is down does: nothing. Accepted mail and confirms stay in line.
func (w *world) failOp(op *worldOp) {
	rest := w.queue[1:]
	switch {
	case op.append != nil && !op.append.accepted && !op.done:
		for i := range op.append.errs {
			op.append.errs[i] = persistence.ErrUnavailable
		}
		w.replies = append(w.replies, func() { w.d.stored(op.append) })
	case op.read != nil:
		w.reply(op, persistence.Page{Err: persistence.ErrUnavailable}, false)
	default:
		return
	}
	w.queue = rest
}

func (w *world) page(r *persistence.ReadRequest) persistence.Page {
	var page persistence.Page
	size := 0
	for _, p := range w.store.mail {
		if p.Seq <= r.After {
			continue
		}
		if len(page.Pending) == r.Count || size >= r.Bytes {
			page.More = true
			break
		}
		p.Payload = slices.Clone(p.Payload)
		page.Pending = append(page.Pending, p)
		size += len(p.Payload)
	}
	return page
}

// passFull lets reads and confirms pass the append that the full store does not take.
func (w *world) passFull() {
	w.queue = slices.DeleteFunc(w.queue, func(op *worldOp) bool {
		switch {
		case op.read != nil:
			w.reply(op, w.page(op.read), true)
			return true
		case op.append == nil:
			w.store.confirm(op.confirm)
		}
		return false
	})
}

func (w *world) reply(op *worldOp, page persistence.Page, partial bool) {
	w.replies = append(w.replies, func() {
		if op.epoch == w.epoch {
			w.d.page(&page, partial)
		}
	})
}

// answer brings the next reply back.
func (w *world) answer() {
	if len(w.replies) == 0 {
		return
	}
	reply := w.replies[0]
	w.replies = w.replies[1:]
	reply()
	w.d.flushOpen()
	if w.conn != nil && w.conn.failed {
		w.detach()
	}
}

// crash loses all memory. What was not acknowledged may be lost with it.
func (w *world) crash() {
	for _, m := range w.sent {
		m.cut = !m.acked
		if !m.acked && !w.inStore(m.payload) && !w.has[m.payload] {
			m.crashed = true
		}
	}
	for payload := range w.has {
		w.again[payload] = true // a repeat after a restart may arrive again
	}
	for _, p := range w.store.mail {
		w.again[string(p.Payload)] = true
	}
	w.fresh()
}

func (w *world) spill() {
	w.now += 1000
	if !w.isDown {
		w.d.spillOld()
		w.d.flushOpen()
	}
}

// check holds the invariants after every step.
func (w *world) check(*rapid.T) {
	if w.d.out.len() > 2*maxUnconfirmed+maxUnacked || w.d.holds() > maxUnconfirmed {
		w.t.Fatalf("%d unconfirmed and %d held", w.d.out.len(), w.d.holds())
	}
	if n := w.d.out.bytes(); n > 3*w.bounds.OutboxBytes+maxUnacked*2*frameOverhead {
		w.t.Fatalf("%d bytes in an outbox of %d", n, w.bounds.OutboxBytes)
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
	w.isDown, w.store.down, w.store.full, w.closing, w.stuck = false, false, false, false, false
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
	if used := w.pool.budget.used.Load(); used != 0 {
		w.t.Fatalf("%d bytes of buffers did not come back", used)
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
			"stuck":   func(t *rapid.T) { w.stuck = number("stuck", 3) == 0 },
			"advance": func(t *rapid.T) { w.d.advanceMode(); w.d.flushOpen() },
			"store": func(t *rapid.T) {
				w.store.down = number("down", 3) == 0
				w.store.full = number("full", 4) == 0
				w.isDown = w.store.down && number("noticed", 2) == 0
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
