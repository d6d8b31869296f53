package embedded

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// maxTail bounds how many envelopes are read to load a mailbox: its state is written at the latest with so many
// appended since it was written last. (One call may append more than that; then it is written with them.)
const maxTail = 64

// mailbox is the cached state of one user's mail.
type mailbox struct {
	user  protocol.UserID
	state state // as committed
	owner *call // the call that names the user now, or nil
	slot  int   // its place in that call's plans
}

// mailboxes caches the states of the mailboxes used last, so that an append for a user with mail reads nothing. A
// mailbox stays as long as a call owns it.
type mailboxes struct {
	mu  sync.Mutex // guards the rest, and all fields of every mailbox
	lru *lru[*mailbox]
}

// boxCacheLimit is how many states are kept, some 150 bytes each.
const boxCacheLimit = 1 << 17

// claim makes a call own the cached mailbox of a user, at the given slot unless it does already. The box is nil if it is
// not cached.
func (m *mailboxes) claim(user protocol.UserID, c *call, next int) (box *mailbox, slot int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	box, ok := m.lru.get(user)
	switch {
	case !ok:
		return nil, 0, nil
	case box.owner == c:
		return box, box.slot, nil
	case box.owner != nil:
		return nil, 0, fmt.Errorf("%w: two calls name one user at once", persistence.ErrUnavailable)
	}
	box.owner, box.slot = c, next
	return box, next, nil
}

// add caches a mailbox that was loaded, owned by a call.
func (m *mailboxes) add(user protocol.UserID, loaded state, c *call, slot int) *mailbox {
	box := &mailbox{user: user, state: loaded, owner: c, slot: slot}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lru.put(user, box, 1, func(b *mailbox) bool { return b.owner != nil })
	return box
}

// publish makes the plans of a call the states of its mailboxes.
func (m *mailboxes) publish(plans []plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range plans {
		plans[i].box.state = plans[i].next
	}
}

// release ends the ownership of a call.
func (m *mailboxes) release(plans []plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range plans {
		plans[i].box.owner = nil
	}
}

// peek returns the cached state of a user's mailbox.
func (m *mailboxes) peek(user protocol.UserID) (s state, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	box, ok := m.lru.get(user)
	if !ok {
		return s, false
	}
	return box.state, true
}

// load reads the state of a mailbox that is not cached: what was written of it last, and what was appended since.
func (c *call) load(user protocol.UserID) (state, error) {
	c.key = appendUserKey(c.key[:0], stateKind, user)
	s, err := c.store.stored(c.key)
	if err != nil {
		return s, err
	}
	iter, err := c.iterator()
	if err != nil {
		return s, err
	}
	c.key = appendMailKey(c.key[:0], user, s.highest+1)
	for ok := iter.SeekPrefixGE(c.key); ok; ok = iter.Next() {
		seq, e, err := mailAt(iter)
		if err != nil {
			return s, c.store.readError(err)
		}
		s.add(seq, len(e.payload), len(e.id) > 0, e.expires)
	}
	return s, c.store.readError(iter.Error())
}

// stored reads a state; that of a user without one is zero.
func (s *Store) stored(key []byte) (state, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return state{}, nil
	}
	if err != nil {
		return state{}, s.readError(err)
	}
	defer closer.Close()
	return parseState(value)
}

// mailAt parses the envelope at which an iterator stands.
func mailAt(iter *pebble.Iterator) (seq uint64, e envelope, err error) {
	seq, ok := mailSeq(iter.Key())
	if !ok {
		return 0, e, corrupt("key of a stored envelope")
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return seq, e, err
	}
	e, err = parseMail(value)
	return seq, e, err
}
