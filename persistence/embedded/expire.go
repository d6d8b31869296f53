package embedded

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// expireStep bounds how many mailboxes Expire looks at before it lets others run.
const expireStep = 64

// Expire deletes at most limit envelopes that have expired by now and returns how many.
//
// It looks at mailboxes in the order of their due keys, and at none whose time has not come. A mailbox that it has
// looked at gets a later due key, or none, so it never looks in vain twice.
func (s *Store) Expire(ctx context.Context, now int64, limit int) (int, error) {
	removed := 0
	for removed < limit {
		due, err := s.due(ctx, now)
		if err != nil || len(due) == 0 {
			return removed, err
		}
		n, err := s.expireSome(ctx, due, now, limit-removed)
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// dueUser is what a due key says.
type dueUser struct {
	at   uint64
	user protocol.UserID
}

// due returns the first users whose time has come. It is a look from outside: it keeps nobody waiting, and what it
// finds may have changed.
func (s *Store) due(ctx context.Context, now int64) ([]dueUser, error) {
	if err := s.admit(ctx, "expire"); err != nil {
		return nil, err
	}
	if now <= 0 {
		return nil, nil
	}
	iter, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{dueKind},
		UpperBound: appendDueKey(nil, uint64(now)+1, protocol.UserID{}),
	})
	if err != nil {
		return nil, fmt.Errorf("expire: %w", s.readError(err))
	}
	defer iter.Close()
	var users []dueUser
	for ok := iter.First(); ok && len(users) < expireStep; ok = iter.Next() {
		d, ok := parseDueKey(iter.Key())
		if !ok {
			return nil, fmt.Errorf("expire: %w", corrupt("key of an expiry"))
		}
		users = append(users, d)
	}
	if err := iter.Error(); err != nil {
		return nil, fmt.Errorf("expire: %w", s.readError(err))
	}
	return users, nil
}

// expireSome looks at the mailboxes of some users, with no other call inside. What is wrong with one of them does not
// keep it from the others.
func (s *Store) expireSome(ctx context.Context, users []dueUser, now int64, limit int) (removed int, failed error) {
	if err := s.room("expire", s.floors.delete); err != nil {
		return 0, err
	}
	if err := s.gate.enterAlone(ctx); err != nil {
		return 0, fmt.Errorf("expire: %w: %w", persistence.ErrUnavailable, err)
	}
	c := s.newCall("expire", true)
	for _, d := range users {
		n, err := c.expire(d, now, limit-removed)
		if err != nil {
			failed = err
		}
		if removed += n; removed == limit {
			break
		}
	}
	for i := range c.plans {
		c.settle(&c.plans[i], true)
	}
	if err := c.commit(ctx, pebble.NoSync); err != nil {
		return 0, err
	}
	return removed, failed
}

// expire removes at most limit expired envelopes of one user and says when to look again.
func (c *call) expire(d dueUser, now int64, limit int) (int, error) {
	m, err := c.plan(d.user)
	if err != nil {
		return 0, err
	}
	if d.at != m.next.due { // the user has another due key by now, or this one was left over
		c.key = appendDueKey(c.key[:0], d.at, d.user)
		_ = c.batch.Delete(c.key, nil)
		return 0, nil
	}
	c.gone.reset()
	due, err := c.collectExpired(m, now, limit)
	if err != nil {
		return 0, fmt.Errorf("expire: %w", err)
	}
	m.box.items = nil // all or none
	c.removeEach(d.user)
	c.uncount(m)
	m.next.due = due
	return len(c.gone.seqs), nil
}

// collectExpired gathers the expired envelopes of a mailbox and returns the soonest expiry of those that stay, 0 if none
// does.
func (c *call) collectExpired(m *plan, now int64, limit int) (due uint64, err error) {
	iter, err := c.iterator()
	if err != nil || m.next.count == 0 {
		return 0, err
	}
	c.key = appendMailKey(c.key[:0], m.box.user, m.next.floor+1)
	for ok := iter.SeekPrefixGE(c.key); ok; ok = iter.Next() {
		seq, e, err := mailAt(iter)
		if err != nil {
			return 0, c.store.readError(err)
		}
		if e.expires <= now && len(c.gone.seqs) < limit {
			c.gone.add(seq, c.identity(m.box.user, &e), len(e.payload))
			continue
		}
		if at := dueTime(e.expires); due == 0 || at < due {
			due = at
		}
	}
	return due, c.store.readError(iter.Error())
}
