package transport

import (
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// scheduler is what the conns use of their shard; [actors.Shard] is one.
type scheduler interface {
	Post(job actors.Job) bool
	Now() time.Duration
	Set(t *actors.Timer, d time.Duration)
	Stop(t *actors.Timer)
	AfterTurn(job actors.Job)
	CountRefusal(code protocol.Code)
	CountPanic(what string, reason any)
	lender
}

// loop is what the conns of one shard share. All of it belongs to the shard's goroutine.
type loop struct {
	server *Server
	shard  scheduler
	poll   *epoll // nil: the shard waits on something else, and conns run on goroutines
	limits protocol.Limits

	// What a frame is read into. They live here because their addresses leave the stack.
	envelope   protocol.Envelope
	frame      protocol.ClientFrame
	submission actors.Submission
	from, to   knownID // of the frame before

	held    int64 // bytes of the buffers for messages that have come in part
	maxHeld int64 // above it, conns that send such messages are closed; 0 for no bound

	oldest, newest *deadline // of the messages under way, in the order in which they began

	deadlines []*deadline // unused ones
	entrances map[*entrance]struct{}
}

// Buffer implements lender, and counts what is lent.
func (l *loop) Buffer(n int) []byte {
	b := l.shard.Buffer(n)
	l.held += int64(cap(b))
	return b
}

// Recycle implements lender.
func (l *loop) Recycle(b []byte) {
	l.held -= int64(cap(b))
	l.shard.Recycle(b)
}

// overfull reports whether messages that have come in part take too much memory. Whoever makes them pays for it with as
// many bytes, but from many connections, and a client may take half a minute for the rest.
func (l *loop) overfull() bool { return l.maxHeld > 0 && l.held > l.maxHeld }

// relieve closes conns whose message has come in part until there is room: those first that have taken longest, for
// whoever means to send the rest does so soon. c is the one that has just kept something.
func (l *loop) relieve(c *conn) {
	for l.overfull() && !c.is(deaf) {
		victim := c
		if l.oldest != nil {
			victim = l.oldest.conn
		}
		victim.fail(protocol.CodeNone, protocol.CloseTryAgain)
		victim.dec.release(l)
		if d := victim.deadline; d != nil {
			l.delist(d) // it is there still if the conn was closing already
		}
	}
}

// enlist puts the deadline of a message under way at the end of the list.
func (l *loop) enlist(d *deadline) {
	d.listed, d.before = true, l.newest
	if l.newest == nil {
		l.oldest = d
	} else {
		l.newest.after = d
	}
	l.newest = d
}

// delist takes a deadline out of the list, if it is in it.
func (l *loop) delist(d *deadline) {
	if !d.listed {
		return
	}
	if d.before == nil {
		l.oldest = d.after
	} else {
		d.before.after = d.after
	}
	if d.after == nil {
		l.newest = d.before
	} else {
		d.after.before = d.before
	}
	d.listed, d.before, d.after = false, nil, nil
}

// knownID is an id that was read last: frames with the same one come in runs.
type knownID struct {
	text  [protocol.UserIDLen]byte
	id    protocol.UserID
	known bool // id is what text says
}

// read reads an id in its text form, the raw content of a JSON string. It returns nil if it is none, else where the id is
// until the next call.
func (k *knownID) read(raw []byte) *protocol.UserID {
	if k.known && len(raw) == len(k.text) && [protocol.UserIDLen]byte(raw) == k.text {
		return &k.id
	}
	k.known = false
	if !k.id.ReadRaw(raw) {
		return nil
	}
	if len(raw) == len(k.text) {
		k.known = true
		copy(k.text[:], raw)
	}
	return &k.id
}

// maxSpareDeadlines bounds the unused deadlines that a loop keeps.
const maxSpareDeadlines = 1024

// deadline is a timer of a conn. Most conns have none: only those in the middle of a frame, and those that close.
type deadline struct {
	actors.Timer
	conn *conn

	before, after *deadline // in the loop's list
	listed        bool      // it is that of a message under way
}

// setDeadline has c.expire called after d, and not earlier for an older deadline.
func (c *conn) setDeadline(d time.Duration) {
	t := c.deadline
	if t == nil {
		t = c.loop.newDeadline()
		t.conn = c
		c.deadline = t
	}
	c.loop.delist(t)
	c.loop.shard.Set(&t.Timer, d)
}

// clearDeadline takes the conn's deadline back, if it has one.
func (c *conn) clearDeadline() {
	t := c.deadline
	if t == nil {
		return
	}
	c.loop.delist(t)
	c.deadline, t.conn = nil, nil
	c.loop.shard.Stop(&t.Timer)
	if len(c.loop.deadlines) < maxSpareDeadlines {
		c.loop.deadlines = append(c.loop.deadlines, t)
	}
}

func (l *loop) newDeadline() *deadline {
	if n := len(l.deadlines); n > 0 {
		t := l.deadlines[n-1]
		l.deadlines = l.deadlines[:n-1]
		return t
	}
	t := &deadline{}
	t.Fire = func() {
		if c := t.conn; c != nil {
			defer c.guard()
			c.expire()
		}
	}
	return t
}

// loopFor returns the loop of a shard.
func (s *Server) loopFor(shard *actors.Shard) *loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.loops[shard]
	if l == nil {
		l = &loop{server: s, shard: shard, limits: s.broker.Limits(), maxHeld: s.opts.HoldBytes}
		l.poll, _ = shard.Poller().(*epoll)
		s.loops[shard] = l
	}
	return l
}
