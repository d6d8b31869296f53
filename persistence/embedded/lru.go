package embedded

import "github.com/enigma-protocol/enigma/actors/protocol"

// lru holds the values of the users touched last, up to a total cost. It has no lock.
type lru[V any] struct {
	limit   int64
	cost    int64
	entries map[protocol.UserID]*lruEntry[V]
	root    lruEntry[V] // ring: next is the most recent, prev the one to go first
}

type lruEntry[V any] struct {
	user       protocol.UserID
	value      V
	cost       int64
	prev, next *lruEntry[V]
}

func newLRU[V any](limit int64) *lru[V] {
	l := &lru[V]{limit: limit, entries: make(map[protocol.UserID]*lruEntry[V])}
	l.root.prev, l.root.next = &l.root, &l.root
	return l
}

// get returns the user's value and makes it the most recent.
func (l *lru[V]) get(user protocol.UserID) (value V, ok bool) {
	e := l.entries[user]
	if e == nil {
		return value, false
	}
	l.unlink(e)
	l.link(e)
	return e.value, true
}

// put stores a value and lets others go until the total is within its limit. What keep says of a value holds it,
// over the limit if need be.
func (l *lru[V]) put(user protocol.UserID, value V, cost int64, keep func(V) bool) {
	if e := l.entries[user]; e != nil {
		l.drop(e)
	}
	e := &lruEntry[V]{user: user, value: value, cost: cost}
	l.entries[user] = e
	l.link(e)
	l.cost += cost
	for last := l.root.prev; l.cost > l.limit && last != e; {
		next := last.prev
		if keep == nil || !keep(last.value) {
			l.drop(last)
		}
		last = next
	}
}

func (l *lru[V]) link(e *lruEntry[V]) {
	e.prev, e.next = &l.root, l.root.next
	e.prev.next, e.next.prev = e, e
}

func (l *lru[V]) unlink(e *lruEntry[V]) {
	e.prev.next, e.next.prev = e.next, e.prev
}

func (l *lru[V]) drop(e *lruEntry[V]) {
	l.unlink(e)
	delete(l.entries, e.user)
	l.cost -= e.cost
}
