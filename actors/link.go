package actors

import (
	"math"
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Profile is the dialect a conn speaks.
type Profile uint8

// The profiles of the wire contract.
const (
	Plain Profile = iota // the bare specification: confirmed by Pongs
	V1                   // enigma.v1: acknowledged sends, confirmed by recv
)

// Submission is one envelope on its way from a conn to its recipient. Its slices
// stay valid until the turn ends.
type Submission struct {
	To      protocol.UserID
	Payload []byte // the JSON string's content as it came, without quotes
	Frame   []byte // the whole JSON text if it may be forwarded as it is (exactly the three keys), else nil
	ID      []byte // v1: the sender's id; empty on the plain profile
	TTL     int64  // v1: seconds, 0 for the maximum
	Size    int    // bytes it counts against the conn's credit

	once bool // the broker has made the id up, so nobody repeats it
}

// Link is a conn's handle on the broker, made by [Broker.Attach], and what the shard knows of the conn. All of it
// belongs to the goroutine of its shard.
//
// # Credit and tickets
//
// Every frame that may need an answer takes a ticket. Errors go out in the order of the tickets, so an error waits
// until all older tickets are settled. Credit is what is submitted and not settled, plus the answers not yet written:
// at its bound the conn is paused, and it resumes at half.
type Link struct {
	shard *Shard
	user  *user // nil while the actor has not attached it, and again after
	conn  Conn

	ctl    []byte  // error, ack and control frames to write, pooled
	window *window // of tickets, nil while they are settled in order

	issued, settled uint32 // tickets: given out, and settled without a gap
	inFlight, size  int32  // envelopes and bytes submitted and not settled
	owed            int32  // answers in ctl

	order    uint32 // of its beginning; 0: unknown
	lastSeen stamp
	stopped  stamp // since when paused
	waste    int16 // frames that were good for nothing since Waste was called; below zero, what may still come free
	missed   uint8 // liveness Pings in a row without a frame

	phase   linkPhase
	profile Profile
	proven  bool
	paused  bool
	busy    bool // the conn takes nothing until Writable
	queued  bool // in shard.dirty
	counted bool // among the attached
	ctlCut  bool // ctl begins within a frame

	id protocol.UserID
}

// linkPhase is how far a Link has come. It only goes on.
type linkPhase uint8

const (
	linkOpen    linkPhase = iota
	linkClosing           // conn.Close was called: nothing is written any more
	linkDead              // Detach was called
)

// mostOvertaken bounds how many conns may have begun after one and still be attached before it: so a conn that has stayed
// until the numbers have wrapped around is not taken for a newer one.
const mostOvertaken = 1 << 16

// newerThan says that l began after a conn that comes only now, and that has no proof to set against that.
func (l *Link) newerThan(late *Link) bool {
	ahead := l.order - late.order
	return l.order != 0 && late.order != 0 && ahead != 0 && ahead < mostOvertaken && (l.proven || !late.proven)
}

// window is the outcomes of the tickets from the first unsettled one on.
type window struct {
	outcomes []outcome
}

// outcome is a ticket behind the first unsettled one.
type outcome struct {
	done  bool
	code  protocol.Code
	frame []byte // the error frame, nil for none
}

// ticket takes the next ticket.
func (l *Link) ticket() uint32 {
	l.issued++
	return l.issued - 1
}

// Submit sends an envelope. Its outcome comes back by itself: as credit, and as an error or ack frame to this conn.
func (l *Link) Submit(s *Submission) {
	if l.phase == linkDead {
		return
	}
	sh := l.shard
	sh.count(statSubmitted, 1)
	l.inFlight++
	l.size += int32(s.Size)
	sh.route(l, s)
	l.throttle()
}

// Refuse answers a frame that is no valid envelope with an error, in order with the answers to the frames before it.
// to is raw JSON string content, cut to what may be echoed; id is v1's, decoded; nil where the frame had none.
func (l *Link) Refuse(code protocol.Code, to, id []byte) {
	if l.phase != linkOpen {
		return
	}
	l.shard.refused(code, l.id)
	l.settle(l.ticket(), 0, code, l.errorFrame(code, to, id))
	l.throttle()
}

// Fail ends the conn with an error frame, if code is one, and a close. What came in before it still counts: the user
// parts from the conn when that has been seen to.
func (l *Link) Fail(code protocol.Code, close protocol.CloseCode) {
	u := l.user
	l.end(code, close, false)
	if u != nil && l.phase != linkDead {
		u.push(l.shard.letter(letter{kind: letterDetach, link: l}))
	}
}

// expel is Fail from within the actor: the user parts from the conn at once.
func (l *Link) expel(code protocol.Code, close protocol.CloseCode) {
	u := l.user
	l.end(code, close, false)
	l.user = nil
	if u != nil {
		u.unlink(l)
	}
}

// end writes the last frames: the rest of the frame that was cut, the answers, an error, the close. With accept, what
// the remote sends until its own close still counts.
func (l *Link) end(code protocol.Code, close protocol.CloseCode, accept bool) {
	if l.phase != linkOpen {
		return
	}
	last := l.remainder()
	if code != protocol.CodeNone {
		l.shard.refused(code, l.id)
		last = protocol.AppendFrame(last, protocol.OpText, l.errorFrame(code, nil, nil))
	}
	last = protocol.AppendClose(last, close)
	l.phase = linkClosing
	l.dropControl()
	l.window = nil
	l.hangUp(close, last, accept)
}

// Alive notes that a frame came in, of whatever kind.
func (l *Link) Alive() { l.lastSeen, l.missed = stampOf(l.shard.Now()), 0 }

// Ping answers the remote's Ping with a Pong.
func (l *Link) Ping(payload []byte) {
	if l.phase != linkOpen || len(l.ctl) > l.shard.bounds().OutboxBytes {
		return // a remote that pings without reading the Pongs gets no more of them
	}
	l.control(protocol.AppendFrame(nil, protocol.OpPong, payload))
}

// Pong takes the remote's Pong: it confirms if it answers the fence. payload stays valid until the turn ends.
func (l *Link) Pong(payload []byte) {
	switch {
	case l.phase == linkDead:
	case l.user == nil || len(payload) != fenceBytes:
		l.weigh(0)
	default:
		l.user.push(l.shard.letter(letter{kind: letterPong, link: l, arrival: arrival{payload: payload}}))
	}
}

// Recv takes a v1 recv frame, cumulative up to seq.
func (l *Link) Recv(seq uint64) {
	if l.user != nil && l.phase != linkDead {
		l.user.push(l.shard.letter(letter{kind: letterRecv, link: l, seq: seq, ticket: l.ticket()}))
	}
}

// Waste returns how many of the client's frames since the last call were good for nothing: Pongs that answer no fence,
// and more recv frames than messages that they have confirmed. They cost the shard like messages, and no honest client
// sends many; a front end that limits messages counts these too.
func (l *Link) Waste() int {
	n := max(l.waste, 0)
	l.waste -= n
	return int(n)
}

// weigh notes a Pong or recv that has confirmed n messages. Each message pays for one, even if another came before it that
// has confirmed several at once: a client may confirm in any order what it processes side by side.
func (l *Link) weigh(n int) {
	l.waste = int16(min(max(int(l.waste)+1-n, -maxUnacked), math.MaxInt16))
}

// Writable says that the conn takes bytes again after a short Write.
func (l *Link) Writable() {
	l.busy = false
	l.touch()
	if l.user != nil && l.phase != linkDead {
		l.user.push(l.shard.letter(letter{kind: letterWritable, link: l}))
	}
}

// Detach says that the conn is gone. The Link is dead after it: the conn is not called again.
func (l *Link) Detach() {
	if l.phase == linkDead {
		return
	}
	l.phase = linkDead
	if l.counted {
		l.shard.count(statDetached, 1)
	}
	if l.paused {
		delete(l.shard.paused, l)
	}
	l.dropControl()
	l.window = nil
	if l.user != nil {
		l.user.push(l.shard.letter(letter{kind: letterDetach, link: l}))
	}
}

// settle notes the outcome of a ticket. frame is the error to send, nil for none.
func (l *Link) settle(ticket uint32, size int, code protocol.Code, frame []byte) {
	if size > 0 {
		l.inFlight--
		l.size -= int32(size)
	}
	if l.phase != linkOpen {
		return
	}
	at := ticket - l.settled
	if at == 0 && l.window == nil {
		l.settled++
		l.answer(frame)
		l.relax()
		return
	}
	if l.window == nil {
		l.window = &window{}
	}
	w := l.window
	for int(at) >= len(w.outcomes) {
		w.outcomes = append(w.outcomes, outcome{})
	}
	w.outcomes[at] = outcome{done: true, code: code, frame: frame}
	l.advance()
	l.relax()
}

// advance answers what is settled without a gap.
func (l *Link) advance() {
	w, n := l.window, 0
	for n < len(w.outcomes) && w.outcomes[n].done {
		l.answer(w.outcomes[n].frame)
		n++
	}
	l.settled += uint32(n)
	w.outcomes = slices.Delete(w.outcomes, 0, n)
	if len(w.outcomes) == 0 && l.window == w {
		l.window = nil
	}
}

// errorFrame encodes an error, nil for CodeNone.
func (l *Link) errorFrame(code protocol.Code, to, id []byte) []byte {
	if code == protocol.CodeNone {
		return nil
	}
	if l.profile == V1 {
		return protocol.AppendV1Error(nil, code, id, to)
	}
	return protocol.AppendError(nil, code, to)
}

// answer queues an error or ack, a JSON text; it counts against the credit until it is written.
func (l *Link) answer(text []byte) {
	if text == nil || l.phase != linkOpen {
		return
	}
	l.owed++
	l.ctl = l.shard.pool.grow(l.ctl, len(text)+protocol.FrameHeaderLen(len(text)))
	l.ctl = protocol.AppendFrame(l.ctl, protocol.OpText, text)
	l.touch()
	if len(l.ctl) > maxAnswers {
		if _, ours := l.conn.(*desk); !ours { // which reads all of them at the end of the turn
			l.Fail(protocol.CodeNone, protocol.ClosePolicy)
		}
	}
}

// maxAnswers is how many bytes of answers a conn may leave unread before it is closed. Credit stops its submissions
// long before; what can still come are acks of what it sent earlier.
const maxAnswers = 1 << 20

// control queues a frame that is no answer.
func (l *Link) control(frame []byte) {
	if l.phase != linkOpen {
		return
	}
	l.ctl = append(l.shard.pool.grow(l.ctl, len(frame)), frame...)
	l.touch()
}

func (l *Link) dropControl() {
	l.shard.pool.put(l.ctl)
	l.ctl, l.owed = nil, 0
}

// touch has the shard write at the end of the turn.
func (l *Link) touch() {
	if !l.queued {
		l.queued = true
		l.shard.dirty = append(l.shard.dirty, l)
	}
}

// used returns how much of the conn's credit in messages is used up.
func (l *Link) used() int {
	n := int(l.inFlight + l.owed)
	if l.window != nil {
		n += len(l.window.outcomes)
	}
	return n
}

// throttle pauses the conn when its credit is used up, or the broker's memory is.
func (l *Link) throttle() {
	if l.paused || l.phase == linkDead {
		return
	}
	if messages, bytes := l.shard.credit(); l.used() < messages && int(l.size) < bytes {
		return
	}
	l.paused, l.stopped = true, stampOf(l.shard.Now())
	if l.shard.broker.budget.over() {
		l.shard.count(statMemoryStalls, 1)
	} else {
		l.shard.count(statCreditStalls, 1)
	}
	l.shard.pausedLink(l)
	l.pause()
}

// relax resumes a paused conn when half of its credit is back.
func (l *Link) relax() {
	if !l.paused || l.phase == linkDead {
		return
	}
	if messages, bytes := l.shard.credit(); messages == 0 || l.used() > messages/2 || int(l.size) > bytes/2 {
		return
	}
	l.paused = false
	delete(l.shard.paused, l)
	l.lastSeen = stampOf(l.shard.Now()) // silence while it was stopped was ours
	l.resume()
}

// remainder returns what must still be written before the close frame.
func (l *Link) remainder() []byte {
	var last []byte
	if l.user != nil && l.user.link == l {
		o := l.user.delivery.out
		last = append(last, o.buf[o.sent:max(o.sent, min(o.boundary(), len(o.buf)))]...)
	}
	return append(last, l.ctl...)
}
