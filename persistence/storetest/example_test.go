package storetest_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// A complete store of a host's own, to copy and to build on: a directory with one file for each user. The broker runs on it,
// and finds in the next run what it has left there. TestFiles, beside it, is its test: it runs the suite.
func Example() {
	dir, err := os.MkdirTemp("", "files")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	run := func(do func(*actors.Broker) error) error {
		store := &files{dir: dir, quota: persistence.Quota{Messages: 100, Bytes: 1 << 20}}
		broker, err := actors.New(actors.WithStore(store))
		if err != nil {
			return err
		}
		return errors.Join(do(broker), broker.Shutdown(ctx), store.Close()) // the broker does not close the store
	}
	alice, bob := protocol.NewUserID([]byte("alice's public key")), protocol.NewUserID([]byte("bob's public key"))
	err = run(func(broker *actors.Broker) error {
		if _, err := broker.Login(ctx, []byte("bob's public key")); err != nil {
			return err
		}
		return broker.Submit(ctx, actors.Envelope{From: alice, To: bob, Payload: "while you were away"}) // nil: it is in Bob's file
	})
	fmt.Println("one run:", err)
	err = run(func(broker *actors.Broker) error {
		receiver, err := broker.Connect(ctx, bob, actors.ReceiverOptions{})
		if err != nil {
			return err
		}
		m, err := receiver.Receive(ctx)
		if err != nil {
			return err
		}
		fmt.Println("bob reads:", m.Payload)
		m.Confirm()
		return nil
	})
	fmt.Println("the next:", err)
	// Output:
	// one run: <nil>
	// bob reads: while you were away
	// the next: <nil>
}

// files implements actors.Store. A change of a mailbox is a new file in place of the old one, so it happens wholly or not
// at all. That is as simple as it is slow: an envelope costs as much as the mailbox is long, and a call at least two syncs.
type files struct {
	dir   string
	quota persistence.Quota

	mu     sync.Mutex // guards the files: Expire may name any user, at any time
	closed bool
}

// mailbox is the content of a user's file, in memory during a call only, so nothing of the caller's is kept. It stays for good, for the sake of Highest.
type mailbox struct {
	Key     []byte // nil: the user is not known
	Locked  bool
	Highest uint64                // seq ever appended; survives confirm and expiry
	Pending []persistence.Pending // ascending seq

	// Of one call.
	changed bool  // it is to be written
	refused bool  // an envelope was, for the quota
	err     error // of its file
}

// call does the work of a call that names users: it reads their files, has do judge and change the i-th item's mailbox,
// and writes what has changed. If that fails, so do the items of that user, and no others.
func (s *files) call(ctx context.Context, ids []protocol.UserID, errs []error, do func(i int, m *mailbox) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	open := make(map[protocol.UserID]*mailbox)
	for i, id := range ids {
		m := open[id]
		if m == nil {
			m = &mailbox{}
			m.err, open[id] = s.load(id.String(), m), m
		}
		if errs[i] = m.err; m.err == nil {
			errs[i] = do(i, m)
		}
	}
	changed := false
	for id, m := range open {
		if m.changed {
			changed, m.err = true, s.save(id.String(), m)
		}
	}
	for i, id := range ids {
		if errs[i] == nil {
			errs[i] = open[id].err
		}
	}
	if !changed {
		return nil
	}
	return s.sync()
}

// enter begins a call, which ends with an Unlock.
func (s *files) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", persistence.ErrUnavailable, err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("%w: %w", persistence.ErrUnavailable, os.ErrClosed)
	}
	return nil
}

// load reads a file into v, and leaves v as it is if there is none.
func (s *files) load(name string, v any) error {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", persistence.ErrUnavailable, err)
	}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(v); err != nil {
		return fmt.Errorf("%w: %s: %w", persistence.ErrCorrupt, name, err)
	}
	return nil
}

// save replaces a file. Until the new one has its name nothing has happened.
func (s *files) save(name string, v any) error {
	path := filepath.Join(s.dir, name)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(gob.NewEncoder(file).Encode(v), file.Sync(), file.Close())
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", persistence.ErrFull, err)
	} else if err != nil {
		return fmt.Errorf("%w: %w", persistence.ErrUnavailable, err)
	}
	return nil
}

// sync makes the new files' names durable. One that may not survive a loss of power is neither a success nor a failure.
func (s *files) sync() error {
	dir, err := os.Open(s.dir)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", persistence.ErrUnknownOutcome, err)
	}
	return nil
}

// PutKeys implements actors.Store.
func (s *files) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	return s.call(ctx, each(keys, func(k persistence.KeyRecord) protocol.UserID { return k.User }), errs, func(i int, m *mailbox) error {
		if m.Key == nil { // the first write wins
			m.Key, m.Locked, m.changed = keys[i].Key, keys[i].Locked, true
		}
		return nil
	})
}

// Keys implements actors.Store.
func (s *files) Keys(ctx context.Context, ids []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	return s.call(ctx, ids, errs, func(i int, m *mailbox) error {
		keys[i] = persistence.KeyRecord{User: ids[i], Key: m.Key, Locked: m.Locked}
		return nil
	})
}

// Lock implements actors.Store.
func (s *files) Lock(ctx context.Context, ids []protocol.UserID, errs []error) error {
	return s.call(ctx, ids, errs, func(_ int, m *mailbox) error {
		if m.Key != nil && !m.Locked {
			m.Locked, m.changed = true, true
		}
		return nil
	})
}

// Append implements actors.Store.
func (s *files) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	return s.call(ctx, each(pending, func(p persistence.Pending) protocol.UserID { return p.To }), errs, func(i int, m *mailbox) error {
		return s.append(m, pending[i])
	})
}

// append judges an envelope, in the order of the rules at actors.Store, and keeps it.
func (s *files) append(m *mailbox, p persistence.Pending) error {
	size := len(p.Payload)
	for _, q := range m.Pending {
		size += len(q.Payload)
		switch {
		case p.ID == "" || q.ID != p.ID || q.From != p.From:
		case q.Seq == p.Seq: // the same call once more
			return nil
		case bytes.Equal(q.Payload, p.Payload):
			return persistence.ErrDuplicate
		default:
			return persistence.ErrConflict
		}
	}
	switch {
	case p.Seq <= m.Highest: // the same call once more, and it was confirmed or has expired meanwhile
		return nil
	case p.Accepted: // whatever the quota
	case m.refused, s.quota.Messages > 0 && len(m.Pending) >= s.quota.Messages, s.quota.Bytes > 0 && int64(size) > s.quota.Bytes:
		m.refused = true
		return persistence.ErrQuota
	}
	p.Accepted = false
	m.Pending, m.Highest, m.changed = append(m.Pending, p), p.Seq, true
	return nil
}

// Read implements actors.Store.
func (s *files) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	errs := make([]error, len(requests))
	err := s.call(ctx, each(requests, func(r persistence.ReadRequest) protocol.UserID { return r.User }), errs, func(i int, m *mailbox) error {
		pages[i] = m.page(requests[i])
		return nil
	})
	for i, err := range errs {
		if err != nil {
			pages[i] = persistence.Page{Err: err}
		}
	}
	return err
}

func (m *mailbox) page(r persistence.ReadRequest) (page persistence.Page) {
	size := 0
	for _, p := range m.Pending {
		switch n := len(page.Pending); {
		case p.Seq <= r.After || p.Expires <= r.Now:
			continue
		case n > 0 && (n >= r.Count || size >= r.Bytes): // there is always one
			page.More = true
			return page
		}
		size += len(p.Payload)
		page.Pending = append(page.Pending, p)
	}
	return page
}

// Confirm implements actors.Store.
func (s *files) Confirm(ctx context.Context, list []persistence.Confirmed, errs []error) error {
	return s.call(ctx, each(list, func(c persistence.Confirmed) protocol.UserID { return c.User }), errs, func(i int, m *mailbox) error {
		m.remove(func(p persistence.Pending) bool { return p.Seq <= list[i].Seq })
		return nil
	})
}

func (m *mailbox) remove(which func(persistence.Pending) bool) (n int) {
	before := len(m.Pending)
	m.Pending = slices.DeleteFunc(m.Pending, which)
	m.changed = m.changed || len(m.Pending) < before
	return before - len(m.Pending)
}

// Expire implements actors.Store. It reads all files; a store for many users would have an index by time.
func (s *files) Expire(ctx context.Context, now int64, limit int) (removed int, err error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", persistence.ErrUnavailable, err)
	}
	var ids []protocol.UserID
	for _, entry := range names {
		if id, ok := protocol.ParseUserID(entry.Name()); ok {
			ids = append(ids, id)
		}
	}
	errs := make([]error, len(ids))
	err = s.call(ctx, ids, errs, func(_ int, m *mailbox) error {
		removed += m.remove(func(p persistence.Pending) bool {
			if p.Expires > now || limit == 0 {
				return false
			}
			limit--
			return true
		})
		return nil
	})
	return removed, errors.Join(append(errs, err)...)
}

// Ceiling implements actors.Store.
func (s *files) Ceiling(ctx context.Context, raise uint64) (was uint64, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if err := s.load("ceiling", &was); err != nil || raise <= was {
		return was, err
	}
	if err := s.save("ceiling", raise); err != nil {
		return was, err
	}
	return was, s.sync()
}

// Ping implements actors.Store.
func (s *files) Ping(ctx context.Context) error { return s.call(ctx, nil, nil, nil) }

// Close implements actors.Store.
func (s *files) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// each returns whom the items of a call name.
func each[T any](items []T, user func(T) protocol.UserID) []protocol.UserID {
	ids := make([]protocol.UserID, len(items))
	for i := range items {
		ids[i] = user(items[i])
	}
	return ids
}
