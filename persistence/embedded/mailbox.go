package embedded

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// maxTail bounds how many envelopes are read to load a mailbox: its state is written at the latest with so many
// appended since it was written last. (One call may append more than that; then it is written with them.)
const maxTail = 16

// mailbox is what is cached of one user's mail.
type mailbox struct {
	user  protocol.UserID
	state state // as committed; guarded by mailboxes.mu, but its owner reads it freely

	// items are the pending envelopes, all of them, if there are as many as the state counts: then nothing has to be
	// read to know an id, or to confirm. Otherwise there are none. They belong to the owner, and are ahead of the state
	// while it commits.
	items []item

	owner *call               // the call that names the user now, or nil; guarded by mailboxes.mu
	slot  int                 // its place in that call's plans; belongs to the owner
	entry *lruEntry[*mailbox] // fixed once it is cached
}

// item is a pending envelope without what it says.
type item struct {
	seq   uint64
	id    identity
	bytes uint32
}

// maxItems bounds the items of a mailbox, which are searched one by one; with more mail it has none. It is above what
// the usual quota lets in.
const maxItems = 1024

// find returns the seq of the item with an identity, 0 if there is none.
func (b *mailbox) find(id identity) uint64 {
	head := binary.LittleEndian.Uint64(id[:])
	for i := range b.items {
		it := &b.items[i]
		if binary.LittleEndian.Uint64(it.id[:]) == head && it.id == id {
			return it.seq
		}
	}
	return 0
}

// whole says whether the items are all there is, given the count of the state they belong to.
func (b *mailbox) whole(count uint64) bool { return uint64(len(b.items)) == count }

// note takes an envelope into the items, if there are any; count says how many were pending before it.
func (b *mailbox) note(count, seq uint64, id identity, payload int) {
	if !b.whole(count) || count >= maxItems {
		b.items = nil
		return
	}
	b.items = append(b.items, item{seq, id, uint32(payload)})
}

// cost is about what a mailbox takes of memory, in bytes.
func (b *mailbox) cost() int64 { return 240 + 32*int64(cap(b.items)) }

// mailboxes caches the mailboxes used last, so that an append for a user with mail reads nothing. A mailbox stays as
// long as a call owns it.
type mailboxes struct {
	mu  sync.Mutex // guards the rest, and the fields of every mailbox that say so
	lru *lru[*mailbox]
}

// boxCache bounds the memory of the cached mailboxes, in bytes.
const boxCache = 64 << 20

func newBoxLRU() *lru[*mailbox] {
	return newLRU(boxCache, func(b *mailbox) bool { return b.owner != nil })
}

// claim makes a call own the cached mailbox of a user, at the given slot unless it does already. The box is nil if it is
// not cached.
func (m *mailboxes) claim(user protocol.UserID, c *call, slot int) (*mailbox, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.lru.get(user)
	if e == nil {
		return nil, nil
	}
	switch box := e.value; box.owner {
	case c:
		return box, nil
	case nil:
		box.owner, box.slot = c, slot
		return box, nil
	}
	return nil, fmt.Errorf("%w: two calls name one user at once", persistence.ErrUnavailable)
}

// crowded says whether the cache is so full of mailboxes that their items have to go. A mailbox is worth more: without
// it every append reads.
func (m *mailboxes) crowded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lru.cost > boxCache/2
}

// add caches a mailbox that was loaded, owned by a call.
func (m *mailboxes) add(box *mailbox, c *call, slot int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	box.owner, box.slot = c, slot
	box.entry = m.lru.put(box.user, box, box.cost())
}

// publish makes the plans of a call the states of its mailboxes.
func (m *mailboxes) publish(plans []plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range plans {
		box := plans[i].box
		box.state = plans[i].next
		if cost := box.cost(); cost != box.entry.cost {
			m.lru.recost(box.entry, cost)
		}
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
	e := m.lru.get(user)
	if e == nil {
		return s, false
	}
	return e.value.state, true
}

// load reads a mailbox that is not cached: what was written of its state last, and what was appended since.
func (c *call) load(user protocol.UserID) (*mailbox, error) {
	box := &mailbox{user: user}
	iter, err := c.iterator()
	if err != nil {
		return nil, err
	}
	c.key = appendStateKey(c.key[:0], user)
	ok := iter.SeekPrefixGE(c.key)
	if ok && len(iter.Key()) == prefixLen {
		value, err := iter.ValueAndErr()
		if err == nil {
			box.state, err = parseState(value)
		}
		if err != nil {
			return nil, c.store.readError(err)
		}
		c.key = appendMailKey(c.key[:0], user, box.state.highest+1)
		ok = iter.SeekPrefixGE(c.key)
	}
	for ; ok; ok = iter.Next() {
		seq, e, err := mailAt(iter)
		if err != nil {
			return nil, c.store.readError(err)
		}
		id := c.identity(user, &e)
		box.note(box.state.count, seq, id, len(e.payload))
		box.state.add(seq, len(e.payload), id != identity{}, e.expires)
	}
	return box, c.store.readError(iter.Error())
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

// identity returns the identity of an envelope that was read, zero if it has no id.
func (c *call) identity(to protocol.UserID, e *envelope) identity {
	if len(e.id) == 0 {
		return identity{}
	}
	c.key = appendIdentified(c.key[:0], to, e.from, e.id)
	return newIdentity(c.key)
}
