package embedded

import "github.com/enigma-protocol/enigma/actors/protocol"

// lru holds the values of the users touched last, up to a total cost. It has no lock.
type lru[V any] struct {
	limit   int64
	cost    int64
	entries map[protocol.UserID]*lruEntry[V]
	root    lruEntry[V]  // ring: next is the most recent, prev the one to go first
	keep    func(V) bool // holds a value, over the limit if need be; nil: none is held
}

type lruEntry[V any] struct {
	value      V
	user       protocol.UserID
	cost       int64
	prev, next *lruEntry[V]
}

func newLRU[V any](limit int64, keep func(V) bool) *lru[V] {
	l := &lru[V]{limit: limit, entries: make(map[protocol.UserID]*lruEntry[V]), keep: keep}
	l.root.prev, l.root.next = &l.root, &l.root
	return l
}

// get returns the user's entry and makes it the most recent, or nil.
func (l *lru[V]) get(user protocol.UserID) *lruEntry[V] {
	e := l.entries[user]
	if e != nil {
		l.unlink(e)
		l.link(e)
	}
	return e
}

// put stores a value and lets others go until the total is within its limit.
func (l *lru[V]) put(user protocol.UserID, value V, cost int64) *lruEntry[V] {
	if e := l.entries[user]; e != nil {
		l.drop(e)
	}
	e := &lruEntry[V]{user: user, value: value, cost: cost}
	l.entries[user] = e
	l.link(e)
	l.cost += cost
	l.trim(e)
	return e
}

// recost changes what an entry counts for. One that has gone counts for nothing.
func (l *lru[V]) recost(e *lruEntry[V], cost int64) {
	if l.entries[e.user] != e {
		return
	}
	l.cost += cost - e.cost
	e.cost = cost
	l.trim(e)
}

// trim lets the oldest entries go, but not e.
func (l *lru[V]) trim(e *lruEntry[V]) {
	for last := l.root.prev; l.cost > l.limit && last != &l.root; {
		next := last.prev
		if last != e && (l.keep == nil || !l.keep(last.value)) {
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
