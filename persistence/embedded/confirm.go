package embedded

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// rangeFrom is how many envelopes are deleted by one range instead of one by one. A range costs every later read of its
// neighbourhood, until it is compacted.
const rangeFrom = 64

// Confirm deletes each user's envelopes up to a seq. It is not durable on return: what is lost with the machine's power
// is delivered again.
func (s *Store) Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error {
	c, err := s.begin(ctx, "confirm", s.floors.delete)
	if err != nil {
		return err
	}
	for i := range confirmed {
		errs[i] = c.confirm(confirmed[i])
	}
	for i := range c.plans {
		c.settle(&c.plans[i], true)
	}
	return c.commit(ctx, pebble.NoSync)
}

func (c *call) confirm(done persistence.Confirmed) error {
	m, err := c.plan(done.User)
	if err != nil {
		return err
	}
	next := &m.next
	seq := min(done.Seq, next.highest)
	if seq <= next.floor {
		return nil
	}
	switch whole := seq == next.highest; {
	case next.count == 0:
	case whole && next.ids == 0 && next.count >= rangeFrom: // nothing to be learnt from them
		c.removeRange(done.User, next.floor, seq)
		next.count, next.bytes = 0, 0
	default:
		c.gone.reset()
		if err := c.collect(m, seq); err != nil {
			return fmt.Errorf("confirm: %w", err)
		}
		c.remove(m, seq)
	}
	next.floor = seq
	return nil
}

// removal is a number of envelopes of one user that are to be removed.
type removal struct {
	seqs  []uint64
	bytes uint64
	ids   []byte // keys in the index of ids, one behind the other
	ends  []int  // where in ids each one ends
}

func (r *removal) reset() {
	r.seqs, r.ids, r.ends, r.bytes = r.seqs[:0], r.ids[:0], r.ends[:0], 0
}

// add takes an envelope in.
func (r *removal) add(user protocol.UserID, seq uint64, e *envelope) {
	r.seqs = append(r.seqs, seq)
	r.bytes += uint64(len(e.payload))
	if len(e.id) > 0 {
		r.ids = appendIDKey(r.ids, user, e.from, e.id)
		r.ends = append(r.ends, len(r.ids))
	}
}

// collect gathers all envelopes of a mailbox up to a seq. There is nothing to look for behind the last that counts.
func (c *call) collect(m *plan, seq uint64) error {
	iter, err := c.iterator()
	if err != nil {
		return err
	}
	c.key = appendMailKey(c.key[:0], m.box.user, m.next.floor+1)
	for ok := iter.SeekPrefixGE(c.key); ok; ok = iter.Next() {
		at, e, err := mailAt(iter)
		if err != nil {
			return c.store.readError(err)
		}
		if at > seq {
			break
		}
		c.gone.add(m.box.user, at, &e)
		if uint64(len(c.gone.seqs)) == m.next.count {
			break
		}
	}
	return c.store.readError(iter.Error())
}

// remove deletes what was gathered, which is all there is above the floor up to a seq.
func (c *call) remove(m *plan, seq uint64) {
	if len(c.gone.seqs) >= rangeFrom {
		c.removeRange(m.box.user, m.next.floor, seq)
	} else {
		c.removeEach(m.box.user)
	}
	c.uncount(m)
}

// removeRange deletes all envelopes of a user above floor up to seq.
func (c *call) removeRange(user protocol.UserID, floor, seq uint64) {
	op := c.batch.DeleteRangeDeferred(mailLen, mailLen)
	appendMailKey(op.Key[:0], user, floor+1)
	appendMailKey(op.Value[:0], user, seq+1)
	_ = op.Finish()
}

// removeEach deletes the gathered envelopes one by one.
func (c *call) removeEach(user protocol.UserID) {
	for _, seq := range c.gone.seqs {
		op := c.batch.DeleteDeferred(mailLen)
		appendMailKey(op.Key[:0], user, seq)
		_ = op.Finish()
	}
}

// uncount takes what was gathered out of the index of ids and out of the counters.
func (c *call) uncount(m *plan) {
	start := 0
	for _, end := range c.gone.ends {
		_ = c.batch.Delete(c.gone.ids[start:end], nil)
		start = end
	}
	m.next.count -= min(m.next.count, uint64(len(c.gone.seqs)))
	m.next.bytes -= min(m.next.bytes, c.gone.bytes)
	m.next.ids -= min(m.next.ids, uint64(len(c.gone.ends)))
}
