package actors

import (
	"context"
	"errors"
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// calls gathers the ops of one round into the arguments of the store's batch calls, makes the calls, and sorts the
// results back. Its slices are kept from round to round.
type calls struct {
	ops     [opKinds][]*op
	replies map[*Shard][]*op

	keys     []persistence.KeyRecord
	users    []protocol.UserID
	pending  []persistence.Pending
	confirms []persistence.Confirmed
	requests []persistence.ReadRequest
	pages    []persistence.Page
	errs     []error

	confirmOf map[protocol.UserID]int // index into confirms
}

func (c *calls) add(o *op) { c.ops[o.kind] = append(c.ops[o.kind], o) }

// reply keeps an answered op for its owner's shard.
func (c *calls) reply(o *op) {
	c.replies[o.owner.shard] = append(c.replies[o.owner.shard], o)
}

// deliver posts the answers, one job per shard.
func (c *calls) deliver() {
	for s, ops := range c.replies {
		if len(ops) > 0 {
			s.Post(&answers{shard: s, ops: ops})
			c.replies[s] = nil
		}
	}
}

// run makes the calls of a round, kind by kind.
func (c *calls) run(ctx context.Context, p *persister) {
	for kind := range c.ops {
		ops := c.ops[kind]
		if opKind(kind) > opAppend && len(p.blocked) > 0 {
			ops = slices.DeleteFunc(ops, p.hold) // an append of this round has failed
		}
		c.ops[kind] = ops[:0]
		if len(ops) == 0 {
			continue
		}
		switch opKind(kind) {
		case opPutKey, opLock, opKeys:
			c.runKeys(ctx, p, opKind(kind), ops)
		case opAppend:
			c.runAppend(ctx, p, ops)
		case opConfirm:
			c.runConfirm(ctx, p, ops)
		case opRead:
			c.runRead(ctx, p, ops)
		}
		clear(ops)
	}
}

// results returns n cleared errors.
func (c *calls) results(n int) []error {
	c.errs = append(c.errs[:0], make([]error, n)...)
	return c.errs
}

func (c *calls) runKeys(ctx context.Context, p *persister, kind opKind, ops []*op) {
	c.keys, c.users = c.keys[:0], c.users[:0]
	for _, o := range ops {
		o.key.User = o.user
		c.keys = append(c.keys, o.key)
		c.users = append(c.users, o.user)
	}
	errs := c.results(len(ops))
	var whole error
	switch kind {
	case opPutKey:
		whole = p.timed(opPutKey, len(c.keys), func() error { return p.store.PutKeys(ctx, c.keys, errs) })
	case opLock:
		whole = p.timed(opLock, len(c.keys), func() error { return p.store.Lock(ctx, c.users, errs) })
	case opKeys:
		whole = p.timed(opKeys, len(c.keys), func() error { return p.store.Keys(ctx, c.users, c.keys, errs) })
	}
	for i, o := range ops {
		o.key, o.err = c.keys[i], errors.Join(whole, errs[i])
		p.finish(o, false, o.err)
	}
	clear(c.keys)
}

func (c *calls) runAppend(ctx context.Context, p *persister, ops []*op) {
	c.pending = c.pending[:0]
	for _, o := range ops {
		c.pending = append(c.pending, o.append.pending...)
	}
	errs := c.results(len(c.pending))
	whole := p.timed(opAppend, len(c.pending), func() error { return p.store.Append(ctx, c.pending, errs) })
	p.broker.countAppend(len(c.pending))
	at := 0
	for _, o := range ops {
		again := false
		var failed error
		o.full = true
		for i := range o.append.pending {
			err := errs[at]
			if whole != nil {
				err = whole
			}
			at++
			o.append.errs[i] = err
			if isDown(err) {
				failed = err
			}
			again = again || isUnknown(err) || o.accepted && (isDown(err) || isRefused(err))
			o.full = o.full && !isDown(err)
		}
		p.finish(o, again, failed)
	}
	clear(c.pending)
}

// runConfirm makes one entry of all confirms of a user: the store may not meet a user twice in a call that changes it.
func (c *calls) runConfirm(ctx context.Context, p *persister, ops []*op) {
	c.confirms = c.confirms[:0]
	clear(c.confirmOf)
	for _, o := range ops {
		at, seen := c.confirmOf[o.user]
		if !seen {
			at = len(c.confirms)
			c.confirmOf[o.user] = at
			c.confirms = append(c.confirms, persistence.Confirmed{User: o.user})
		}
		c.confirms[at].Seq = max(c.confirms[at].Seq, o.seq)
	}
	errs := c.results(len(c.confirms))
	whole := p.timed(opConfirm, len(c.confirms), func() error { return p.store.Confirm(ctx, c.confirms, errs) })
	for _, o := range ops {
		err := errors.Join(whole, errs[c.confirmOf[o.user]])
		o.full = isRefused(err)
		p.finish(o, err != nil, err)
	}
}

func (c *calls) runRead(ctx context.Context, p *persister, ops []*op) {
	c.requests = c.requests[:0]
	for _, o := range ops {
		c.requests = append(c.requests, o.read)
	}
	c.pages = append(c.pages[:0], make([]persistence.Page, len(ops))...)
	whole := p.timed(opRead, len(c.requests), func() error { return p.store.Read(ctx, c.requests, c.pages) })
	for i, o := range ops {
		o.page = c.pages[i]
		if whole != nil {
			o.page = persistence.Page{Err: whole}
		}
		p.finish(o, false, o.page.Err)
	}
	clear(c.pages)
}

// answers brings the store's answers to a shard's users.
type answers struct {
	shard *Shard
	ops   []*op
}

func (a *answers) Run() {
	for _, o := range a.ops {
		l := letter{op: o}
		switch o.kind {
		case opAppend:
			l.kind = letterStored
		case opRead:
			l.kind = letterPage
			a.shard.readDone()
		case opLock:
			l.kind = letterLocked
		default:
			l.kind = letterKey
		}
		if o.owner.stopped {
			a.shard.orphaned(o)
			continue
		}
		o.owner.push(a.shard.letter(l))
	}
}
