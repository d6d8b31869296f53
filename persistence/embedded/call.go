package embedded

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// call is one call that changes something: what it is going to write, and how each mailbox it names will stand then. It
// is made by begin and belongs to the caller until commit or abort; while a commit is under way, to its goroutine.
type call struct {
	store *Store
	what  string // for errors

	batch *pebble.Batch
	plans []plan
	after func() // what is to be done once the batch is written; may be nil

	alone bool             // it runs alone, as Expire does
	iter  *pebble.Iterator // opened when first needed, closed before the commit
	key   []byte           // scratch
	gone  removal          // scratch
	ids   map[identity]int // scratch of Append: envelopes with an id in this call

	ended atomic.Int32 // how the commit stands
}

// plan is a mailbox in a call.
type plan struct {
	box  *mailbox
	next state // how it stands once the call is committed
	full bool  // an envelope met the quota in this call
	err  error // an envelope failed otherwise: so do those after it
}

var calls = sync.Pool{New: func() any { return new(call) }}

// begin waits until the call may change something. It refuses if less than floor is free on the disk.
func (s *Store) begin(ctx context.Context, what string, floor int64) (*call, error) {
	if err := s.admit(ctx, what); err != nil {
		return nil, err
	}
	if err := s.room(what, floor); err != nil {
		return nil, err
	}
	if err := s.gate.enter(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", what, persistence.ErrUnavailable, err)
	}
	return s.newCall(what, false), nil
}

func (s *Store) newCall(what string, alone bool) *call {
	c := calls.Get().(*call)
	c.store, c.what, c.alone = s, what, alone
	c.batch = s.db.NewBatch()
	return c
}

// plan returns the plan of a user's mailbox.
func (c *call) plan(user protocol.UserID) (*plan, error) {
	box, err := c.store.boxes.claim(user, c, len(c.plans))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.what, err)
	}
	if box == nil {
		if box, err = c.load(user); err != nil {
			return nil, fmt.Errorf("%s: load mailbox: %w", c.what, err)
		}
		c.store.boxes.add(box, c, len(c.plans))
	}
	if box.slot == len(c.plans) {
		c.plans = append(c.plans, plan{box: box, next: box.state})
		if c.store.boxes.crowded() {
			box.items = nil
		}
	}
	return &c.plans[box.slot], nil
}

// iterator returns the call's iterator, which sees the store as it was before the call.
func (c *call) iterator() (*pebble.Iterator, error) {
	if c.iter == nil {
		iter, err := c.store.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return nil, c.store.readError(err)
		}
		c.iter = iter
	}
	return c.iter, nil
}

// settle writes what has changed in a plan beside envelopes and index. The state is written when something was deleted,
// and else only once in a while, for what was appended since then is counted again when the mailbox is loaded.
func (c *call) settle(p *plan, always bool) {
	now := &p.box.state
	if p.next == *now {
		return
	}
	if p.next.due != now.due {
		if now.due != 0 {
			c.key = appendDueKey(c.key[:0], now.due, p.box.user)
			_ = c.batch.Delete(c.key, nil)
		}
		if p.next.due != 0 {
			c.key = appendDueKey(c.key[:0], p.next.due, p.box.user)
			_ = c.batch.Set(c.key, nil, nil)
		}
	}
	if always || p.next.tail >= maxTail {
		p.next.tail = 0
		c.key = appendStateKey(c.key[:0], p.box.user)
		n := len(c.key)
		c.key = appendState(c.key, &p.next)
		_ = c.batch.Set(c.key[:n], c.key[n:], nil)
	}
}

// How a commit stands, in call.ended.
const (
	running  int32 = iota
	finished       // the caller ends the call
	givenUp        // the commit's goroutine does
)

// commit writes the batch and, once it is written, makes the plans true. The call is over then, whatever the outcome.
//
// The engine cannot be interrupted. So it works on a goroutine of its own, and if it has not answered when ctx ends, the
// caller learns that the outcome is unknown, the goroutine ends the call, and the gate keeps others out until then.
func (c *call) commit(ctx context.Context, opts *pebble.WriteOptions) error {
	c.closeIterator()
	if c.batch.Empty() {
		c.publish()
		c.end()
		return nil
	}
	return c.run(ctx, func() error { return c.store.apply(c.batch, opts) })
}

// run has the engine do the work of a call, and ends the call.
func (c *call) run(ctx context.Context, work func() error) error {
	s, what := c.store, c.what
	result := make(chan error, 1)
	go func() {
		err := work()
		if err == nil {
			c.publish()
		}
		if c.ended.CompareAndSwap(running, finished) {
			result <- err // the call is the caller's again
			return
		}
		alone := c.alone
		c.recycle(err == nil)
		s.gate.settle(alone)
	}()
	why := error(nil)
	select {
	case err := <-result:
		return c.conclude(err)
	case <-ctx.Done():
		why = ctx.Err()
	case <-s.failure.done:
		why = s.failure.failed()
	}
	if !c.ended.CompareAndSwap(running, givenUp) {
		return c.conclude(<-result)
	}
	s.gate.giveUp()
	return fmt.Errorf("%s: %w: %w", what, persistence.ErrUnknownOutcome, why)
}

// conclude ends a call whose commit has returned err.
func (c *call) conclude(err error) error {
	what := c.what
	gate, alone := &c.store.gate, c.alone
	c.recycle(err == nil)
	gate.leave(alone)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", what, persistence.ErrUnknownOutcome, err)
	}
	return nil
}

// end ends a call that has written nothing.
func (c *call) end() {
	c.closeIterator()
	_ = c.conclude(nil)
}

// publish makes the plans true.
func (c *call) publish() {
	c.store.reclaim.count(c.plans)
	c.store.boxes.publish(c.plans)
	if c.after != nil {
		c.after()
	}
}

// recycle lets go of the mailboxes and keeps the rest for another call. A batch that was not written stays with the
// engine.
func (c *call) recycle(written bool) {
	c.store.boxes.release(c.plans)
	if written {
		_ = c.batch.Close()
	}
	clear(c.plans)
	*c = call{plans: c.plans[:0], key: c.key[:0], gone: c.gone, ids: c.ids}
	clear(c.ids)
	c.gone.reset()
	calls.Put(c)
}

func (c *call) closeIterator() {
	if c.iter != nil {
		_ = c.iter.Close()
		c.iter = nil
	}
}

// apply writes a batch. It does not return if the disk fails (see guard). Any error that the engine has beside that is
// its end too: it keeps what it could not write in its queue, so that nothing after it can be written.
func (s *Store) apply(batch *pebble.Batch, opts *pebble.WriteOptions) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.failure.fail(fmt.Errorf("commit: panic: %v", r))
			err = s.failure.failed()
		}
	}()
	if err := batch.Commit(opts); err != nil {
		s.failure.fail(fmt.Errorf("commit: %w", err))
	}
	return s.failure.failed()
}
