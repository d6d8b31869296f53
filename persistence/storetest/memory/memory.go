// Package memory is a store that keeps everything in this process's memory: nothing survives it.
//
// It is what `enigma serve --store memory` runs on, what the broker's tests run on, and the simplest program that
// passes the suite in package storetest. It is apart from that package so that a program that uses it does not link
// the suite.
//
// One lock guards all; no call waits for anything else, so a context only matters if it is done when a call begins.
package memory

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"sort"
	"sync"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Store keeps keys and envelopes in memory. It satisfies actors.Store.
type Store struct {
	quota persistence.Quota // fixed

	mu      sync.Mutex // guards the rest
	users   map[protocol.UserID]*user
	due     dueHeap // who has something that may expire, soonest first
	ceiling uint64
	closed  bool
}

// user is what is kept of one user. It stays for good, for the sake of highest.
type user struct {
	key    []byte // nil: not known
	locked bool

	highest uint64 // seq ever appended
	bytes   int64  // payload bytes of pending
	pending []persistence.Pending
	ids     map[sender]uint64 // seq of the pending envelope with that sender and id
	due     int64             // this user's time in the heap, at or before the soonest Expires of pending; 0: not in it
}

type sender struct {
	from protocol.UserID
	id   string
}

// New returns an empty store with the given quota for each mailbox.
func New(quota persistence.Quota) *Store {
	return &Store{quota: quota, users: make(map[protocol.UserID]*user)}
}

// enter takes the lock, unless the call is too late.
func (s *Store) enter(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", what, persistence.ErrUnavailable, err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("%s: %w: closed", what, persistence.ErrUnavailable)
	}
	return nil
}

// user returns the user's entry, made if it does not exist.
func (s *Store) user(id protocol.UserID) *user {
	u := s.users[id]
	if u == nil {
		u = new(user)
		s.users[id] = u
	}
	return u
}

// PutKeys stores keys of users not yet known.
func (s *Store) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	if err := s.enter(ctx, "put keys"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i := range keys {
		errs[i] = nil
		if u := s.user(keys[i].User); u.key == nil {
			u.key = append([]byte{}, keys[i].Key...)
			u.locked = keys[i].Locked
		}
	}
	return nil
}

// Keys looks up users.
func (s *Store) Keys(ctx context.Context, ids []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	if err := s.enter(ctx, "look up keys"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i, id := range ids {
		errs[i] = nil
		keys[i] = persistence.KeyRecord{User: id}
		if u := s.users[id]; u != nil {
			keys[i].Key = bytes.Clone(u.key)
			keys[i].Locked = u.locked
		}
	}
	return nil
}

// Lock marks known users as having to prove possession of their key.
func (s *Store) Lock(ctx context.Context, ids []protocol.UserID, errs []error) error {
	if err := s.enter(ctx, "lock users"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i, id := range ids {
		errs[i] = nil
		if u := s.users[id]; u != nil && u.key != nil {
			u.locked = true
		}
	}
	return nil
}

// Ceiling raises the seq ceiling and returns what it was.
func (s *Store) Ceiling(ctx context.Context, raise uint64) (uint64, error) {
	if err := s.enter(ctx, "raise the seq ceiling"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	was := s.ceiling
	s.ceiling = max(was, raise)
	return was, nil
}

// Ping reports whether the store is open.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.enter(ctx, "ping"); err != nil {
		return err
	}
	s.mu.Unlock()
	return nil
}

// Close makes every later call fail and lets go of what was kept.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.users, s.due = nil, nil
	return nil
}

// after returns the index of the first pending envelope above seq.
func (u *user) after(seq uint64) int {
	return sort.Search(len(u.pending), func(i int) bool { return u.pending[i].Seq > seq })
}

// forget removes what the user's counters and index hold of a pending envelope.
func (u *user) forget(p *persistence.Pending) {
	u.bytes -= int64(len(p.Payload))
	if p.ID != "" {
		delete(u.ids, sender{p.From, p.ID})
	}
}

// dueHeap orders users by when they may have something to expire; at most one entry per user counts, the one whose
// time is the user's due.
type dueHeap []dueEntry

type dueEntry struct {
	at   int64
	user *user
}

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is called by package heap.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(dueEntry)) }

// Pop is called by package heap.
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = dueEntry{}
	*h = old[:len(old)-1]
	return e
}

// schedule sees to it that Expire looks at the user at the given time, or before.
func (s *Store) schedule(u *user, at int64) {
	if u.due == 0 || at < u.due {
		u.due = at
		heap.Push(&s.due, dueEntry{at, u})
	}
}
