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
	var id identity
	if p.ID != "" {
		c.key = appendIdentified(c.key[:0], p.To, p.From, p.ID)
		id = newIdentity(c.key)
		if known, err := c.known(m, id, pending, i); known || err != nil {
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
	c.write(m, p, id)
	if p.ID != "" {
		if c.ids == nil {
			c.ids = make(map[identity]int)
		}
		c.ids[id] = i
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
func (c *call) write(m *plan, p *persistence.Pending, id identity) {
	op := c.batch.SetDeferred(mailLen, encodedMailLen(p))
	appendMailKey(op.Key[:0], p.To, p.Seq)
	encodeMail(op.Value, p)
	_ = op.Finish()
	if p.ID != "" {
		c.key = appendIDKey(c.key[:0], id)
		n := len(c.key)
		c.key = appendUint64(c.key, p.Seq)
		_ = c.batch.Set(c.key[:n], c.key[n:], nil)
	}
	m.box.note(m.next.count, p.Seq, id, len(p.Payload))
	m.next.add(p.Seq, len(p.Payload), p.ID != "", p.Expires)
}

// known says whether an envelope with the identity of the i-th one is pending. A nil error then means that it is the
// same one.
func (c *call) known(m *plan, id identity, pending []persistence.Pending, i int) (bool, error) {
	p := &pending[i]
	if j, ok := c.ids[id]; ok { // what this call appends cannot be read yet
		return true, repeats(p, pending[j].Seq, pending[j].Payload)
	}
	seq, err := c.seqOf(m, id)
	if err == nil && seq != 0 {
		var payload []byte
		if payload, err = c.payload(p.To, seq); err == nil {
			return true, repeats(p, seq, payload)
		}
	}
	if err != nil {
		m.err = fmt.Errorf("append: look up id: %w", err)
	}
	return false, m.err
}

// repeats judges an envelope whose identity is pending with this seq and payload.
func repeats(p *persistence.Pending, seq uint64, payload []byte) error {
	switch {
	case seq == p.Seq:
		return nil
	case bytes.Equal(payload, p.Payload):
		return errAppendDuplicate
	}
	return errAppendConflict
}

// seqOf returns the seq of the pending envelope with an identity, 0 if there is none.
func (c *call) seqOf(m *plan, id identity) (uint64, error) {
	if m.box.whole(m.next.count) {
		return m.box.find(id), nil
	}
	if m.box.state.ids == 0 {
		return 0, nil
	}
	c.key = appendIDKey(c.key[:0], id)
	return c.store.number(c.key)
}

// payload returns a copy of the payload of a stored envelope that the index of ids names.
func (c *call) payload(to protocol.UserID, seq uint64) ([]byte, error) {
	c.key = appendMailKey(c.key[:0], to, seq)
	value, closer, err := c.store.db.Get(c.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, corrupt("index of ids")
	}
	if err != nil {
		return nil, c.store.readError(err)
	}
	defer closer.Close()
	e, err := parseMail(value)
	return bytes.Clone(e.payload), err
}
