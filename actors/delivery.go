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
}

// held is an arrival accepted while catching up, in memory of its own.
type held struct {
	arrival
	seq        uint64
	at         uint32
	remembered *remembered
}

// deliveryPort is what the delivery state asks of the actor around it. Results of append and read come back later by
// stored and page, in the order of the calls.
type deliveryPort interface {
	seq() (uint64, bool)            // the next seq; false when none may be given out now
	clock() (at uint32, wall int64) // milliseconds since the shard's start and since the epoch
	storeDown() bool
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
	port   deliveryPort
	bounds *Delivery
	pool   *pool
	user   protocol.UserID

	mode      mode
	out       outbox
	placed    uint64
	confirmed uint64 // all up to here is confirmed
	written   uint64 // all up to here has been on the wire to some conn

	known      bool   // the store holds nothing beyond placed and storedTo
	storedTo   uint64 // highest seq that was parked with success
	parking    int    // envelopes not in the outbox whose append is under way
	appends    int    // appends under way
	parkedTo   uint64 // highest seq that was parked
	reading    bool
	readTo     uint64 // parkedTo when the read under way was asked for
	held       []held
	heldSize   int
	spillAgain time.Duration // not before, after the store was found down
	relieving  bool          // give up memory as soon as it is stored
	open       *appendOp     // filled during a turn

	recents *recents // nil until an envelope with an id comes

	// Of the conn.
	profile     Profile
	begun       bool // a page was read
	toldDrained bool
	fence       fence
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
	d.surrender()
	for _, e := range d.out.list() {
		if e.remembered != nil {
			d.recents.keep(e.remembered)
		}
	}
	d.out.release(d.pool)
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
		if d.fits(len(a.payload)) {
			d.place(a)
			return
		}
		if d.port.storeDown() {
			d.port.settle(a.sender, protocol.CodeStoreUnavailable, a)
			return
		}
		d.spill()
		d.mode = draining
	case catching:
		if len(d.held) == 0 || len(d.held) < maxUnconfirmed && d.heldSize+len(a.payload)+frameOverhead <= d.bounds.OutboxBytes {
			d.hold(a)
			return
		}
		d.surrender()
		d.mode = draining
	}
	d.park(a)
	d.next()
}

// fits says whether the outbox takes a payload of n bytes more. One envelope always fits, however large.
func (d *delivery) fits(n int) bool {
	return d.out.len() == 0 || d.out.len() < maxUnconfirmed && d.out.bytes()+n <= d.bounds.OutboxBytes
}

// repeated answers an envelope whose identity is known here, and says whether it was one.
func (d *delivery) repeated(a *arrival) bool {
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
		idKey: idKey{a.from, string(a.id)}, digest: digest(a.payload), seq: seq, ttl: a.ttl, link: a.sender.link,
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
	at, wall := d.port.clock()
	m := d.remember(a, seq)
	d.write(a, seq, wall, false)
	d.out.place(d.pool, seq, at, entryLive, m)
	d.placed = seq
	d.fenced(at, m)
	d.port.settle(a.sender, protocol.CodeNone, a)
	d.port.dirty()
}

// write appends the frame of an envelope to the outbox.
func (d *delivery) write(a *arrival, seq uint64, wall int64, again bool) {
	text := a.frame
	if text == nil || d.profile != Plain {
		d.pool.scratch = d.encode()(d.pool.scratch[:0], &protocol.Message{
			From: a.from, To: d.user, Payload: a.payload, ID: a.id, Seq: seq, TimeMS: wall, Redelivered: again,
		})
		text = d.pool.scratch
	}
	d.out.room(d.pool, len(text)+protocol.FrameHeaderLen(len(text)))
	d.out.buf = protocol.AppendFrame(d.out.buf, protocol.OpText, text)
}

// encode returns the encoder of the conn's profile.
func (d *delivery) encode() func([]byte, *protocol.Message) []byte {
	if d.profile == V1 {
		return protocol.AppendV1Message
	}
	return appendPlain
}

func appendPlain(dst []byte, m *protocol.Message) []byte {
	return protocol.AppendPlainMessage(dst, m.From, m.To, m.Payload)
}

// confirm notes that the client has all up to seq.
func (d *delivery) confirm(seq uint64) {
	stored := !d.known || d.storedTo > d.placed
	d.confirmed = max(d.confirmed, seq)
	d.placed = max(d.placed, seq)
	d.out.confirm(d.pool, seq, func(e *entry) {
		stored = stored || e.state != entryLive
		if m := e.remembered; m != nil {
			d.ackOnce(m)
			d.recents.settle(m)
		}
	})
	d.recents.settleKept(seq, d.ackOnce)
	if d.out.sent < d.sendLimit() {
		d.port.dirty() // the window of a v1 client has moved
	}
	if stored {
		d.port.confirmStored(seq)
	}
	d.advanceMode()
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
	d.out.advance(n)
	if d.out.len() > 0 && d.out.entries[d.out.first].seq <= d.confirmed {
		d.confirm(d.confirmed)
	}
	d.out.shed(d.pool)
	d.next()
}

// sendLimit returns the offset in the outbox up to which bytes may go to the conn.
func (d *delivery) sendLimit() int {
	if d.profile != V1 || d.out.len() <= maxUnacked {
		return len(d.out.buf)
	}
	return max(d.out.sent, int(d.out.entries[d.out.first+maxUnacked-1].end))
}

// oldestLive returns when the oldest envelope that is in memory alone was placed.
func (d *delivery) oldestLive() (at uint32, ok bool) {
	if len(d.held) > 0 {
		return d.held[0].at, true
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
	n := len(d.held)
	for i := range d.out.list() {
		if d.out.list()[i].state == entryLive {
			n++
		}
	}
	return n
}

// idle says that nothing is in memory or under way.
func (d *delivery) idle() bool {
	return d.mode == away && d.out.len() == 0 && len(d.held) == 0 && d.appends == 0 && d.open == nil
}
