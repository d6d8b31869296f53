package actors

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Bounds of one batch for the store, and the patience with it.
const (
	batchEnvelopes = 1024
	batchBytes     = 256 << 10
	storeTimeout   = time.Second
	retryFirst     = 50 * time.Millisecond
	retryMost      = time.Second
)

// opKind is what an op asks of the store. The order is that in which the kinds of one round are called: who looks a key
// up does not wait until those of others are written.
type opKind uint8

const (
	opKeys opKind = iota
	opPutKey
	opLock
	opAppend
	opConfirm
	opRead
	opKinds
)

// op is one request to the store, of one user. It belongs to the persistence actor until it is answered.
type op struct {
	kind     opKind
	accepted bool // an append that is repeated until it has succeeded
	full     bool // it certainly has not happened, for the store is full
	partial  bool // a read behind such an append: what that holds is missing
	user     protocol.UserID
	epoch    uint32
	owner    *user      // whom to answer, or
	done     chan<- *op // who waits; neither for confirms
	append   *appendOp
	read     persistence.ReadRequest
	page     persistence.Page
	key      persistence.KeyRecord
	seq      uint64
	err      error
}

// persister is a persistence actor: it turns the requests that have gathered into batches for the store, one at a
// time, in the order of each user's requests. While the store works on one, the next gathers: load sets the size.
//
// A request whose outcome is unknown, and one for accepted mail that failed, is repeated until it is known to have
// happened; meanwhile that user's later appends of new mail and its reads fail at once, and its other requests wait
// in line behind it. So one user's requests take effect in their order, whatever fails. If the store is merely full,
// though, reads and confirms pass: they are what makes room.
type persister struct {
	broker *Broker
	store  Store
	queue  *opQueue
	pid    *actor.PID

	// Of the actor.
	blocked  map[protocol.UserID]*line
	order    []protocol.UserID // of blocked, in which they are repeated
	wait     time.Duration     // until the next repetition
	timer    *time.Timer
	calls    calls
	phases   map[protocol.UserID]opKind
	failed   bool         // a call of this round did
	answered atomic.Int64 // when the store last answered as it should, on the monotonic clock
	lost     atomic.Int64 // envelopes in blocked: lost if the broker ended now
	full     atomic.Bool  // the store was full for one in blocked
}

// line is what waits of one user: the appends, the blocked one first, and behind them one confirm, for confirms are
// cumulative.
type line struct {
	appends []*op
	confirm uint64 // 0 for none
	full    bool   // the store is merely full, and has done nothing of the first
}

// retryBlocked is the persistence actor's message to itself.
type retryBlocked struct{}

// Receive implements actor.Actor.
func (p *persister) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *opBatch:
		p.serve(m.ops)
		m.ops = nil
	case *retryBlocked:
		p.retry()
	case *actor.Stopping:
		if p.timer != nil {
			p.timer.Stop()
		}
	}
}

// serve calls the store for the ops, in as many rounds as their order per user needs.
func (p *persister) serve(ops []*op) {
	for len(ops) > 0 {
		var later []*op
		clear(p.phases)
		for _, o := range ops {
			if p.hold(o) {
				continue
			}
			phase, seen := p.phases[o.user]
			if next := o.phase(); !seen || phase <= next {
				p.phases[o.user] = next
				p.calls.add(o)
			} else {
				p.phases[o.user] = opKinds * 2 // and so are all that follow
				later = append(later, o)
			}
		}
		p.call()
		ops = later
	}
	switch {
	case len(p.blocked) == 0:
		p.full.Store(false)
	case p.timer == nil:
		p.later()
	}
}

// phase is the op's place within a round. New mail may follow accepted mail in one call, but not the reverse: a
// refusal for the quota must not be followed by mail that may not be refused.
func (o *op) phase() opKind {
	phase := o.kind * 2
	if o.kind == opAppend && !o.accepted {
		phase++
	}
	return phase
}

// hold keeps back, or fails, what must not pass a blocked op of the same user.
func (p *persister) hold(o *op) bool {
	l, ok := p.blocked[o.user]
	if !ok || o.kind < opAppend {
		return false
	}
	switch {
	case o.kind == opAppend && !o.accepted:
		o.fail(l.reason())
		p.answer(o)
	case o.kind == opRead && l.full:
		o.partial = len(l.appends) > 0
		return false
	case o.kind == opRead:
		o.page = persistence.Page{Err: persistence.ErrUnavailable}
		p.answer(o)
	case o.kind == opConfirm:
		l.confirm = max(l.confirm, o.seq) // it may reach as far as the mail that is blocked
		return !l.full
	default:
		p.keep(l, o)
	}
	return true
}

func (l *line) reason() error {
	if l.full {
		return persistence.ErrFull
	}
	return persistence.ErrUnavailable
}

func (p *persister) count(o *op, sign int64) {
	if o.kind == opAppend && o.accepted {
		p.lost.Add(sign * int64(len(o.append.pending)))
	}
}

func (o *op) fail(err error) {
	for i := range o.append.errs {
		o.append.errs[i] = err
	}
}

// block puts an op at the end of its user's line.
func (p *persister) block(o *op) {
	l, ok := p.blocked[o.user]
	if !ok {
		l = &line{full: true}
		p.blocked[o.user] = l
		p.order = append(p.order, o.user)
	}
	l.full = l.full && o.full
	if o.kind == opConfirm {
		l.confirm = max(l.confirm, o.seq)
		return
	}
	if o.full {
		p.full.Store(true)
	}
	p.keep(l, o)
}

// keep puts an append at the end of a line. What it holds is blocked until it is answered.
func (p *persister) keep(l *line, o *op) {
	l.appends = append(l.appends, o)
	p.count(o, 1)
	if a := o.append; !a.blocked {
		a.blocked = true
		p.broker.budget.blocked.Add(a.held)
	}
}

// later arms the repetition, each time after a longer while.
func (p *persister) later() {
	p.wait = min(max(2*p.wait, retryFirst), retryMost)
	p.timer = time.AfterFunc(p.wait, func() { p.queue.PostUserMessage(&retryBlocked{}) })
}

// retry repeats what is blocked, in the order in which it came.
func (p *persister) retry() {
	p.timer = nil
	var ops []*op
	for _, user := range p.order {
		l := p.blocked[user]
		for _, o := range l.appends {
			p.count(o, -1)
			ops = append(ops, o)
		}
		if l.confirm > 0 {
			ops = append(ops, &op{kind: opConfirm, user: user, seq: l.confirm})
		}
	}
	clear(p.blocked)
	p.order = nil
	p.serve(ops)
	if len(p.blocked) == 0 {
		p.wait = 0
	}
}

// finish decides what becomes of an op after its call, which failed with err or did not: it is answered, or blocked to
// be called again.
func (p *persister) finish(o *op, again bool, err error) {
	if isDown(err) {
		p.failed = true
		p.broker.storeFailed(err)
	}
	if again {
		p.block(o)
		return
	}
	p.answer(o)
}

// answer hands the op back to who asked.
func (p *persister) answer(o *op) {
	if a := o.append; a != nil && a.blocked {
		a.blocked = false
		p.broker.budget.blocked.Add(-a.held)
	}
	switch {
	case o.done != nil:
		o.done <- o
	case o.owner != nil:
		p.calls.reply(o)
	}
}

// call makes the store calls of one round.
func (p *persister) call() {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	p.failed = false
	p.calls.run(ctx, p)
	if !p.failed {
		p.answered.Store(int64(p.broker.config.clock.Mono()))
	}
	p.calls.deliver()
}

// moves says that the store has answered a call within the patience: what waits then has only to queue, for the store is
// slow, not down. Any goroutine may call it.
func (p *persister) moves() bool {
	return p.broker.config.clock.Mono()-time.Duration(p.answered.Load()) < parkPatience
}

// isUnknown, isRefused and isDown sort the store's errors.
func isUnknown(err error) bool { return errors.Is(err, persistence.ErrUnknownOutcome) }

func isRefused(err error) bool {
	return errors.Is(err, persistence.ErrFull) || errors.Is(err, persistence.ErrQuota)
}

func isDown(err error) bool {
	return err != nil && !isRefused(err) && !errors.Is(err, persistence.ErrDuplicate) && !errors.Is(err, persistence.ErrConflict)
}
