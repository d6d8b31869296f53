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
	c.gone.reset()
	switch all := seq == next.highest; {
	case next.count == 0:
	case m.box.whole(next.count):
		c.collectItems(m, seq)
		c.remove(m, seq)
	case all && next.ids == 0 && next.count >= rangeFrom: // nothing to be learnt from them
		c.removeRange(done.User, next.floor, seq)
		next.count, next.bytes = 0, 0
	default:
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
	ids   []identity
	bytes uint64
}

func (r *removal) reset() { r.seqs, r.ids, r.bytes = r.seqs[:0], r.ids[:0], 0 }

// add takes an envelope in.
func (r *removal) add(seq uint64, id identity, payload int) {
	r.seqs = append(r.seqs, seq)
	r.bytes += uint64(payload)
	if id != (identity{}) {
		r.ids = append(r.ids, id)
	}
}

// collectItems gathers the envelopes of a mailbox up to a seq from its items, and takes them out of these.
func (c *call) collectItems(m *plan, seq uint64) {
	n := 0
	for n < len(m.box.items) && m.box.items[n].seq <= seq {
		it := &m.box.items[n]
		c.gone.add(it.seq, it.id, int(it.bytes))
		n++
	}
	m.box.items = append(m.box.items[:0], m.box.items[n:]...)
}

// collect gathers the envelopes of a mailbox up to a seq from the engine. There is nothing to look for behind the last
// that counts.
func (c *call) collect(m *plan, seq uint64) error {
	iter, err := c.iterator()
	if err != nil {
		return err
	}
	m.box.items = nil
	c.key = appendMailKey(c.key[:0], m.box.user, m.next.floor+1)
	for ok := iter.SeekPrefixGE(c.key); ok; ok = iter.Next() {
		at, e, err := mailAt(iter)
		if err != nil {
			return c.store.readError(err)
		}
		if at > seq {
			break
		}
		c.gone.add(at, c.identity(m.box.user, &e), len(e.payload))
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

// removeEach deletes the gathered envelopes one by one. Every seq of a user is written once and never again, which is
// what a single delete demands; it vanishes together with what it deletes as soon as the two meet.
func (c *call) removeEach(user protocol.UserID) {
	for _, seq := range c.gone.seqs {
		op := c.batch.SingleDeleteDeferred(mailLen)
		appendMailKey(op.Key[:0], user, seq)
		_ = op.Finish()
	}
}

// uncount takes what was gathered out of the index of ids and out of the counters.
func (c *call) uncount(m *plan) {
	for _, id := range c.gone.ids {
		op := c.batch.DeleteDeferred(prefixLen)
		appendIDKey(op.Key[:0], id)
		_ = op.Finish()
	}
	m.next.count -= min(m.next.count, uint64(len(c.gone.seqs)))
	m.next.bytes -= min(m.next.bytes, c.gone.bytes)
	m.next.ids -= min(m.next.ids, uint64(len(c.gone.ids)))
}
