package actors

import (
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// mode is where a user's mail goes.
type mode uint8

const (
	away     mode = iota // no conn: to the store
	draining             // to the store, from where it is read page by page
	catching             // held in memory behind what is left in the store, which is being read
	live                 // to the outbox
	leaving              // the conn is being closed in order: to the store, and confirms still count
)

// maxUnconfirmed bounds the envelopes of one user in memory, and of those held for it.
const maxUnconfirmed = 1024

// frameOverhead is about what an envelope takes in the outbox beside its payload.
const frameOverhead = 160

// maxUnacked is how many envelopes go to a v1 client unconfirmed; the others wait in the outbox.
const maxUnacked = 256

// sender is whom to tell the outcome of a submission.
type sender struct {
	link   *Link // nil: nobody
	ticket uint32
	size   uint32
}

// arrival is an envelope as it reaches its recipient. Its slices are valid during the call it is given to.
type arrival struct {
	from    protocol.UserID
	payload []byte
	frame   []byte // forwardable as it is, or nil
	id      []byte
	ttl     int64
	sender  sender
	once    bool // the id will not come again
}

// fill makes a, which is empty, the arrival of a submission.
func (a *arrival) fill(from *Link, s *Submission) {
	a.from, a.payload, a.frame, a.ttl = from.id, s.Payload, s.Frame, s.TTL
	if from.profile == V1 {
		a.id, a.once = s.ID, s.once
	}
	a.sender.link, a.sender.ticket, a.sender.size = from, from.ticket(), uint32(s.Size)
}

// deliveryPort is what the delivery state asks of the actor around it. Results of append and read come back later by
// stored and page, in the order of the calls.
type deliveryPort interface {
	owner() protocol.UserID
	bounds() *Delivery
	seq() (uint64, bool)                    // the next seq; false when none may be given out now
	clock() (now time.Duration, wall int64) // since the shard's start, and in milliseconds since the epoch
	refusing() protocol.Code                // what a sender is told while the store is known to take nothing, else CodeNone
	append(*appendOp)
	read(after uint64, count, bytes int)
	confirmStored(seq uint64)
	settle(s sender, code protocol.Code, a *arrival) // the submission's outcome, for credit and for an error
	ack(m *remembered)                               // the envelope is safe
	conflict(m *remembered)                          // another payload under a known id, found after it was accepted
	drained()
	fail(close protocol.CloseCode) // the conn cannot be served
	dirty()                        // there are bytes to write
	busy() bool                    // the conn takes no bytes now; the delivery state is asked to go on when it does
	parked(n int, accepted bool)   // for the counters
	leaving() bool                 // the broker shuts down: nothing can be refused any more
}

// delivery is the delivery state of one user: one order, in which everything is delivered first to last, stored
// before live, and in which nothing leaves memory before it is confirmed or stored.
//
// It is a plain struct that its actor drives; nothing here blocks or knows of goroutines. Invariants:
//
//   - seqs are given out in the order of arrival, and appended in that order: whoever parks n has appended all
//     unconfirmed below n before. So in no mode but live is there an entry that is in memory alone.
//   - placed is the highest seq in the outbox or confirmed; what the store holds for the conn is beyond it.
//   - a user goes live only when the store is known to hold nothing beyond placed and no append is under way.
type delivery struct {
	port     deliveryPort
	pool     *pool
	out      *outbox  // vacant while nothing is unconfirmed
	recents  *recents // nil until an envelope with an id comes
	placed   uint64
	storedTo uint64 // highest seq that was parked with success

	mode      mode
	known     bool // the store holds nothing beyond placed and storedTo
	reading   bool
	relieving bool // give up memory as soon as it is stored

	// Of the conn.
	profile     Profile
	begun       bool // a page was read
	toldDrained bool
	fence       fence

	confirmed uint64    // all up to here is confirmed
	held      *holding  // nil while nothing is held
	open      *appendOp // filled during a turn
	written   uint64    // all up to here has been on the wire to some conn
	parkedTo  uint64    // highest seq that was parked
	readTo    uint64    // parkedTo when the read under way was asked for
	parking   int32     // envelopes not in the outbox whose append is under way
	appends   int32     // appends under way
}

// init makes the state of a user without a conn.
func (d *delivery) init(port deliveryPort, p *pool) {
	*d = delivery{port: port, pool: p, out: vacant}
}

// attach begins delivery to a new conn. The former one is gone already.
func (d *delivery) attach(profile Profile, nonce uint64) {
	d.mode, d.profile = catching, profile
	d.known, d.begun, d.reading, d.toldDrained, d.placed = false, false, false, false, d.confirmed
	d.fence, d.relieving = fence{nonce: nonce}, false
	d.next()
}

// detach ends delivery to the conn: what is in memory alone goes to the store.
func (d *delivery) detach() {
	if d.out.sentTo > 0 {
		d.written = max(d.written, d.out.entries[d.out.sentTo-1].seq)
	}
	d.spill()
	for _, e := range d.out.list() {
		if e.remembered != nil {
			d.recents.keep(e.remembered)
		}
	}
	d.surrender()
	d.pool.meter.pending -= int64(d.out.len())
	d.release()
	d.mode, d.reading = away, false
}

// leave prepares for an orderly close: everything goes to the store, confirms still count until detach.
func (d *delivery) leave() {
	d.spill()
	d.surrender()
	d.mode = leaving
}

// submit takes in one envelope.
func (d *delivery) submit(a *arrival) {
	if d.repeated(a) {
		return
	}
	switch d.mode {
	case live:
		burden := d.pool.tight && d.burdens(len(a.payload))
		if d.fits(len(a.payload)) && !burden {
			d.place(a)
			return
		}
		if code := d.port.refusing(); code != protocol.CodeNone {
			d.port.settle(a.sender, code, a)
			return
		}
		d.spill()
		d.mode, d.relieving = draining, burden
	case catching:
		if d.holdable(len(a.payload)) {
			d.hold(a)
			return
		}
		if code := d.port.refusing(); code != protocol.CodeNone {
			d.port.settle(a.sender, code, a)
			return
		}
		d.surrender()
		d.mode = draining
	}
	d.park(a)
	d.next()
}

// repeated answers an envelope whose identity is known here, and says whether it was one.
func (d *delivery) repeated(a *arrival) bool {
	if a.once || len(a.id) == 0 { // most have none: nothing of them is copied here
		return false
	}
	m := d.recents.get(a.from, a.id)
	if m == nil {
		return false
	}
	if m.digest != digest(a.payload) {
		d.port.settle(a.sender, protocol.CodeIDConflict, a)
		return true
	}
	d.port.settle(a.sender, protocol.CodeNone, a)
	m.link = a.sender.link
	if m.safe {
		d.port.ack(m)
	} else {
		d.fence.urgent = true
		d.port.dirty()
	}
	return true
}

// remember makes the record of an envelope with an id.
func (d *delivery) remember(a *arrival, seq uint64) *remembered {
	if len(a.id) == 0 {
		return nil
	}
	m := &remembered{
		idKey: idKey{a.from, string(a.id)}, digest: digest(a.payload), seq: seq, ttl: a.ttl, link: a.sender.link, once: a.once,
	}
	if d.recents == nil {
		d.recents = &recents{byID: make(map[idKey]*remembered)}
	}
	d.recents.add(m)
	return m
}

// place puts an envelope at the end of the outbox, in memory alone.
func (d *delivery) place(a *arrival) {
	seq, ok := d.port.seq()
	if !ok {
		d.port.settle(a.sender, protocol.CodeStoreUnavailable, a)
		return
	}
	now, wall := d.port.clock()
	m := d.remember(a, seq)
	d.write(a, seq, wall, false)
	d.out.place(seq, len(a.payload), stampOf(now), entryLive, m)
	d.pool.meter.pending++
	d.placed = seq
	d.fenced(now, m)
	d.port.settle(a.sender, protocol.CodeNone, a)
	d.port.dirty()
}

// write appends the frame of an envelope to the outbox.
func (d *delivery) write(a *arrival, seq uint64, wall int64, again bool) {
	text := a.frame
	if text == nil || d.profile != Plain {
		d.pool.scratch = d.encode(d.pool.scratch[:0], &protocol.Message{
			From: a.from, To: d.port.owner(), Payload: a.payload, ID: a.id, Seq: seq, TimeMS: wall, Redelivered: again,
		})
		text = d.pool.scratch
	}
	d.outbox().room(d.pool, len(text)+protocol.FrameHeaderLen(len(text)))
	d.out.buf = protocol.AppendFrame(d.out.buf, protocol.OpText, text)
}

// encode appends a message as the conn's profile has it. Called directly, the encoders leave m on the stack.
func (d *delivery) encode(dst []byte, m *protocol.Message) []byte {
	if d.profile == V1 {
		return protocol.AppendV1Message(dst, m)
	}
	return protocol.AppendPlainMessage(dst, m.From, m.To, m.Payload)
}

// confirm notes that the client has all up to seq. It returns how many envelopes have left the outbox for it.
func (d *delivery) confirm(seq uint64) (gone int) {
	stored := !d.known || d.storedTo > d.placed
	d.confirmed = max(d.confirmed, seq)
	d.placed = max(d.placed, seq)
	now, _ := d.port.clock()
	for e := d.out.confirm(seq); e != nil; e = d.out.confirm(seq) {
		gone++
		d.pool.meter.gone(e, stampOf(now))
		stored = stored || e.state != entryLive
		if m := e.remembered; m != nil {
			e.remembered = nil
			d.ackOnce(m)
			d.recents.settle(m)
		}
	}
	d.tidy()
	d.recents.settleKept(seq, d.ackOnce)
	if d.out.sent < d.sendLimit() {
		d.port.dirty() // the window of a v1 client has moved
	}
	if stored {
		d.port.confirmStored(seq)
	}
	d.advanceMode()
	return gone
}

// ackOnce tells the waiting sender, if there is one, that the envelope is safe.
func (d *delivery) ackOnce(m *remembered) {
	m.safe = true
	if m.link != nil {
		d.port.ack(m)
	}
}

// sent follows a write: what lingered for it is confirmed, and what is stored needs no bytes any more.
func (d *delivery) sent(n int) {
	from := d.out.sentTo
	d.out.advance(n)
	d.meterWrite(from)
	if d.out.len() > 0 && d.out.entries[d.out.first].seq <= d.confirmed {
		d.confirm(d.confirmed)
	}
	d.out.shed(d.pool)
	d.next()
}

// outbox returns the user's outbox, to be written to.
func (d *delivery) outbox() *outbox {
	if d.out == vacant {
		d.out = d.pool.getOutbox()
	}
	return d.out
}

// tidy follows what takes entries from the outbox.
func (d *delivery) tidy() {
	if d.out.len() == 0 {
		d.release()
	} else {
		d.out.settleDown()
	}
}

// release empties the outbox and gives it back.
func (d *delivery) release() {
	if d.out != vacant {
		d.pool.putOutbox(d.out)
		d.out = vacant
	}
}

// sendLimit returns the offset in the outbox up to which bytes may go to the conn.
func (d *delivery) sendLimit() int {
	if d.profile != V1 || d.out.len() <= maxUnacked {
		return len(d.out.buf)
	}
	return max(d.out.sent, int(d.out.entries[d.out.first+maxUnacked-1].end))
}

// oldestLive returns when the oldest envelope that is in memory alone was placed.
func (d *delivery) oldestLive() (at stamp, ok bool) {
	if d.held != nil {
		return d.held.list[0].at, true
	}
	list := d.out.list()
	if len(list) == 0 || list[len(list)-1].state != entryLive {
		return 0, false // what was spilled is a prefix
	}
	for i := range list {
		if list[i].state == entryLive {
			return list[i].at, true
		}
	}
	return 0, false
}

// unstored returns how many accepted envelopes are in memory alone.
func (d *delivery) unstored() int {
	n := 0
	if d.known {
		n = d.holds()
	}
	for i := range d.out.list() {
		if d.out.list()[i].state == entryLive {
			n++
		}
	}
	return n
}

// holds returns how many envelopes are held.
func (d *delivery) holds() int {
	if d.held == nil {
		return 0
	}
	return len(d.held.list)
}

// idle says that nothing is in memory or under way.
func (d *delivery) idle() bool {
	return d.mode == away && d.out.len() == 0 && d.held == nil && d.appends == 0 && d.open == nil
}
