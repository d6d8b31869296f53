package actors

import (
	"bytes"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// desk is where the envelopes come in that the host submits for one sender: a conn that nobody receives at, and so
// never attached. It speaks v1, for that tells when an envelope is safe. It is made when the first envelope comes and
// goes when there has been none for a while; all of it belongs to its shard's goroutine.
type desk struct {
	shard   *Shard
	link    *Link
	waiting map[string]*submission // by id, chained where the recipients differ
	under   int                    // in waiting
	queue   []*submission          // behind the credit
	paused  bool
	timer   Timer
	next    Submission // what is handed to the link, to be used again
}

var _ Conn = (*desk)(nil)

// deskOf returns the desk of a sender.
func (s *Shard) deskOf(from protocol.UserID) *desk {
	if d := s.desks[from]; d != nil {
		return d
	}
	d := &desk{shard: s, waiting: make(map[string]*submission)}
	d.link = &Link{shard: s, conn: d, profile: V1, id: from}
	d.timer.Fire = d.look
	if s.desks == nil {
		s.desks = make(map[protocol.UserID]*desk)
	}
	s.desks[from] = d
	return d
}

// take takes in an envelope.
func (d *desk) take(j *submission) {
	switch {
	case !d.paused:
		d.submit(j)
	case j.patient || len(d.queue) < d.shard.bounds().CreditMessages:
		d.queue = append(d.queue, j)
	default:
		j.finish(&Error{Code: protocol.CodeRateLimited})
	}
}

func (d *desk) submit(j *submission) {
	for other := d.waiting[j.id]; other != nil; other = other.next {
		if other.to != j.to {
			continue
		}
		if !bytes.Equal(other.raw, j.raw) {
			j.finish(&Error{Code: protocol.CodeIDConflict})
			return
		}
		other.also = append(other.also, j)
		return
	}
	j.at, j.next = d.shard.Now(), d.waiting[j.id]
	d.waiting[j.id] = j
	d.under++
	if !d.timer.armed() {
		d.shard.Set(&d.timer, outcomePatience)
	}
	d.next = Submission{To: j.to, Payload: j.raw, ID: j.name, TTL: j.ttl, Size: len(j.raw) + frameOverhead, once: j.once}
	d.link.Submit(&d.next)
}

// Write implements [Conn]: acks and errors.
func (d *desk) Write(p []byte) (int, error) {
	eachFrame(p, func(_ protocol.Opcode, text []byte) {
		if rest, found := bytes.CutPrefix(text, ackHead); found {
			id, to := readAck(rest)
			d.settle(id, to, nil)
		} else if rest, found := bytes.CutPrefix(text, errorHead); found {
			code, id, to := readError(rest)
			d.settle(id, to, &Error{Code: code})
		}
	})
	return len(p), nil
}

// settle tells the outcome of an envelope. raw is its id as the content of a JSON string.
func (d *desk) settle(raw []byte, to protocol.UserID, err error) {
	id := raw
	if bytes.IndexByte(raw, '\\') >= 0 {
		id = protocol.Unescape(nil, raw)
	}
	j := d.waiting[string(id)]
	if j == nil {
		return
	}
	if j.to == to && j.next == nil {
		delete(d.waiting, string(id))
	} else if j = d.unchain(string(id), to); j == nil {
		return
	}
	d.under--
	j.finish(err)
}

// unchain removes one of several envelopes with the same id.
func (d *desk) unchain(id string, to protocol.UserID) *submission {
	var before *submission
	for j := d.waiting[id]; j != nil; before, j = j, j.next {
		switch {
		case j.to != to:
			continue
		case before != nil:
			before.next = j.next
		case j.next != nil:
			d.waiting[id] = j.next
		default:
			delete(d.waiting, id)
		}
		return j
	}
	return nil
}

// look ends the wait for outcomes that have not come in time, and the desk if it has nothing to do.
func (d *desk) look() {
	now := d.shard.Now()
	oldest := now
	for _, j := range d.waiting {
		for ; j != nil; j = j.next {
			if now-j.at >= outcomePatience {
				d.settle(appendASCII(nil, j.id), j.to, unknown(errSilence))
			} else {
				oldest = min(oldest, j.at)
			}
		}
	}
	if d.under > 0 || len(d.queue) > 0 {
		d.shard.Set(&d.timer, max(oldest+outcomePatience-now, time.Second))
		return
	}
	delete(d.shard.desks, d.link.id)
	d.link.Detach()
}

// appendASCII appends an id as the content of a JSON string.
func appendASCII(dst []byte, id string) []byte {
	for i := range len(id) {
		if id[i] == '"' || id[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, id[i])
	}
	return dst
}

// Pause implements [Conn]: the sender's credit is used up, or the broker's memory.
func (d *desk) Pause() { d.paused = true }

// Resume implements [Conn]. It is called in the middle of somebody's turn, and submitting is for the next.
func (d *desk) Resume() { d.shard.Post(d) }

// Run implements [Job]: it submits what has waited for credit.
func (d *desk) Run() {
	d.paused = false
	for len(d.queue) > 0 && !d.paused {
		j := d.queue[0]
		d.queue[0] = nil
		d.queue = d.queue[1:]
		d.submit(j)
	}
	if len(d.queue) == 0 {
		d.queue = nil
	}
}

// Close implements [Conn]. Only a fault leads here.
func (d *desk) Close(protocol.CloseCode, []byte, bool) {
	d.shard.Post(jobFunc(func() { d.end(unknown(errFault)) }))
}

// end tells everybody who waits that nothing more will be heard.
func (d *desk) end(err error) {
	d.shard.Stop(&d.timer)
	if d.shard.desks[d.link.id] == d {
		delete(d.shard.desks, d.link.id)
	}
	for id, j := range d.waiting {
		delete(d.waiting, id)
		for ; j != nil; j = j.next {
			j.finish(err)
		}
	}
	for _, j := range d.queue {
		j.drop()
	}
	d.under, d.queue = 0, nil
	d.link.Detach()
}
