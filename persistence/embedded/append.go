package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// identity is what an envelope with an id is known by.
type identity struct {
	to, from protocol.UserID
	id       string
}

// Append adds envelopes, each user's in ascending seq. It is durable on return.
//
//  1. Refuse all if the disk has too little room.
//  2. Decide each envelope by its mailbox's state and the index of ids, and put what is kept into one batch.
//  3. Write the batch and sync it: the engine writes those of concurrent calls with one fsync.
func (s *Store) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	c, err := s.begin(ctx, "append", s.floors.append)
	if err != nil {
		return err
	}
	for i := range pending {
		errs[i] = c.append(pending, i)
	}
	for i := range c.plans {
		c.settle(&c.plans[i], false)
	}
	return c.commit(ctx, pebble.Sync)
}

// append decides one envelope.
func (c *call) append(pending []persistence.Pending, i int) error {
	p := &pending[i]
	m, err := c.plan(p.To)
	if err != nil {
		return err
	}
	if m.err != nil {
		return m.err
	}
	if p.ID != "" {
		known, err := c.known(m, pending, i)
		if known || err != nil {
			return err
		}
	}
	switch quota := &c.store.opts.Quota; {
	case p.Seq <= m.next.highest:
		return nil
	case p.Accepted:
	case m.full,
		quota.Messages > 0 && m.next.count >= uint64(quota.Messages),
		quota.Bytes > 0 && m.next.bytes+uint64(len(p.Payload)) > uint64(quota.Bytes):
		m.full = true
		return errAppendQuota
	}
	if len(p.ID) > maxIDLen {
		m.err = fmt.Errorf("append: %w: id of %d bytes", persistence.ErrUnavailable, len(p.ID))
		return m.err
	}
	c.write(m, p)
	if p.ID != "" {
		if c.ids == nil {
			c.ids = make(map[identity]int)
		}
		c.ids[identity{p.To, p.From, p.ID}] = i
	}
	return nil
}

// Refusals are made once: under load there are many.
var (
	errAppendQuota     = fmt.Errorf("append: %w", persistence.ErrQuota)
	errAppendDuplicate = fmt.Errorf("append: %w", persistence.ErrDuplicate)
	errAppendConflict  = fmt.Errorf("append: %w", persistence.ErrConflict)
)

// maxIDLen is what a stored envelope can hold; the protocol's bound is lower.
const maxIDLen = 255

// write puts an envelope into the batch.
func (c *call) write(m *plan, p *persistence.Pending) {
	op := c.batch.SetDeferred(mailLen, encodedMailLen(p))
	appendMailKey(op.Key[:0], p.To, p.Seq)
	encodeMail(op.Value, p)
	_ = op.Finish()
	if p.ID != "" {
		c.key = appendIDKey(c.key[:0], p.To, p.From, p.ID)
		_ = c.batch.Set(c.key, encodeUint64(p.Seq), nil)
	}
	m.next.add(p.Seq, len(p.Payload), p.ID != "", p.Expires)
}

// known says whether an envelope with the sender and id of the i-th one is pending. A nil error then means that it is
// the same one.
func (c *call) known(m *plan, pending []persistence.Pending, i int) (bool, error) {
	p := &pending[i]
	if j, ok := c.ids[identity{p.To, p.From, p.ID}]; ok {
		return true, repeats(p, pending[j].Seq, pending[j].Payload)
	}
	if m.box.state.ids == 0 {
		return false, nil
	}
	known, err := c.lookUp(p)
	if err != nil && !errors.Is(err, persistence.ErrDuplicate) && !errors.Is(err, persistence.ErrConflict) {
		err = fmt.Errorf("append: look up id: %w", err)
		m.err = err
	}
	return known, err
}

// repeats judges an envelope whose sender and id are pending with this seq and payload.
func repeats(p *persistence.Pending, seq uint64, payload []byte) error {
	switch {
	case seq == p.Seq:
		return nil
	case bytes.Equal(payload, p.Payload):
		return errAppendDuplicate
	}
	return errAppendConflict
}

// lookUp looks for an envelope's sender and id in the index.
func (c *call) lookUp(p *persistence.Pending) (bool, error) {
	s := c.store
	c.key = appendIDKey(c.key[:0], p.To, p.From, p.ID)
	value, closer, err := s.db.Get(c.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, s.readError(err)
	}
	seq, err := parseUint64(value)
	_ = closer.Close()
	if err != nil {
		return false, err
	}
	c.key = appendMailKey(c.key[:0], p.To, seq)
	value, closer, err = s.db.Get(c.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, corrupt("index of ids")
	}
	if err != nil {
		return false, s.readError(err)
	}
	defer closer.Close()
	e, err := parseMail(value)
	if err != nil {
		return false, err
	}
	return true, repeats(p, seq, e.payload)
}
