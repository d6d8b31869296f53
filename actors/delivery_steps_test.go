package actors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

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
	if w.refusing() == protocol.CodeNone {
		w.d.spillOld()
		w.d.flushOpen()
	}
}
