package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// record makes the key record of a user whose id is that of its name, whatever the key: stores do not derive ids.
func record(name, key string) persistence.KeyRecord {
	return persistence.KeyRecord{User: user(name), Key: []byte(key)}
}

func (s *trial) putKeys(records ...persistence.KeyRecord) {
	s.Helper()
	errs := stale(len(records))
	if err := s.store.PutKeys(s.ctx, records, errs); err != nil {
		s.Fatalf("PutKeys: %v", err)
	}
	s.outcomes(errs, make([]error, len(records))...)
}

func (s *trial) lock(names ...string) {
	s.Helper()
	users := make([]protocol.UserID, len(names))
	for i, name := range names {
		users[i] = user(name)
	}
	errs := stale(len(names))
	if err := s.store.Lock(s.ctx, users, errs); err != nil {
		s.Fatalf("Lock: %v", err)
	}
	s.outcomes(errs, make([]error, len(names))...)
}

// keys expects exactly these records; one with a nil key is an unknown user.
func (s *trial) keys(want ...persistence.KeyRecord) {
	s.Helper()
	users := make([]protocol.UserID, len(want))
	got := make([]persistence.KeyRecord, len(want))
	for i := range want {
		users[i] = want[i].User
		got[i] = persistence.KeyRecord{User: user("stale"), Key: []byte("stale"), Locked: true}
	}
	errs := stale(len(want))
	if err := s.store.Keys(s.ctx, users, got, errs); err != nil {
		s.Fatalf("Keys: %v", err)
	}
	s.outcomes(errs, make([]error, len(want))...)
	for i := range want {
		g, w := got[i], want[i]
		if g.User != w.User || (g.Key == nil) != (w.Key == nil) || !bytes.Equal(g.Key, w.Key) || g.Locked != w.Locked {
			s.Fatalf("key %d: got %+.60v, want %+.60v", i, g, w)
		}
	}
}

func locked(r persistence.KeyRecord) persistence.KeyRecord {
	r.Locked = true
	return r
}

func unknown(name string) persistence.KeyRecord { return persistence.KeyRecord{User: user(name)} }

var keyTests = []test{
	{name: "FoundAndAbsent", check: func(s *trial) {
		s.keys(unknown("alice"))
		s.putKeys(record("alice", "key a"), record("bob", "key b"))
		for range 2 {
			s.keys(record("bob", "key b"), unknown("carol"), record("alice", "key a"), record("bob", "key b"))
			s.reopen()
		}
	}},
	{name: "FirstWriteWins", check: func(s *trial) {
		s.putKeys(record("alice", "first"))
		s.putKeys(record("alice", "second"), record("bob", "b"))
		s.keys(record("alice", "first"), record("bob", "b"))
		s.reopen()
		s.putKeys(record("alice", "third"))
		s.keys(record("alice", "first"))
	}},
	{name: "FirstWriteWinsWithinOneCall", check: func(s *trial) {
		s.putKeys(record("alice", "first"), record("alice", "second"))
		s.keys(record("alice", "first"))
		s.reopen()
		s.keys(record("alice", "first"))
	}},
	{name: "KeepsEveryByte", check: func(s *trial) {
		var every []byte
		for len(every) < 8192 {
			every = append(every, byte(len(every)))
		}
		s.putKeys(record("alice", string(every)), record("bob", "\x00"))
		s.keys(record("alice", string(every)), record("bob", "\x00"))
		s.reopen()
		s.keys(record("alice", string(every)), record("bob", "\x00"))
	}},
	{name: "CopiesWhatItKeeps", check: func(s *trial) {
		r := record("alice", "original")
		s.putKeys(r)
		copy(r.Key, "XXXXXXXX")
		got := make([]persistence.KeyRecord, 1)
		if err := s.store.Keys(s.ctx, []protocol.UserID{user("alice")}, got, stale(1)); err != nil {
			s.Fatalf("Keys: %v", err)
		}
		s.keys(record("alice", "original"))
		copy(got[0].Key, "YYYYYYYY")
		s.keys(record("alice", "original"))
	}},
	{name: "LockStaysOn", check: func(s *trial) {
		s.putKeys(record("alice", "a"), record("bob", "b"))
		s.lock("alice")
		s.keys(locked(record("alice", "a")), record("bob", "b"))
		s.lock("alice", "alice")
		s.putKeys(record("alice", "other")) // a login does not unlock
		s.keys(locked(record("alice", "a")), record("bob", "b"))
		s.reopen()
		s.keys(locked(record("alice", "a")), record("bob", "b"))
	}},
	{name: "LockOfUnknownUsersDoesNothing", check: func(s *trial) {
		s.lock("nobody")
		s.keys(unknown("nobody"))
		s.putKeys(record("nobody", "n"))
		s.keys(record("nobody", "n"))
	}},
	{name: "LockedRecordStaysLocked", check: func(s *trial) {
		s.putKeys(locked(record("alice", "a")))
		s.keys(locked(record("alice", "a")))
	}},
	{name: "MailAndKeysAreApart", check: func(s *trial) {
		s.keep(envelope("bob", 1))
		s.keys(unknown("bob"))
		s.putKeys(record("bob", "b"))
		s.confirm("bob", 1)
		s.keys(record("bob", "b"))
		s.lock("bob")
		s.keep(envelope("bob", 2))
		s.pending("bob", envelope("bob", 2))
	}},
	{name: "ManyInOneCall", check: func(s *trial) {
		var records []persistence.KeyRecord
		for i := range 1000 {
			records = append(records, record(fmt.Sprint("user", i), fmt.Sprint("key", i)))
		}
		s.putKeys(records...)
		s.keys(records...)
		s.reopen()
		s.keys(records...)
	}},
}

var ceilingTests = []test{
	{name: "OnlyRises", check: func(s *trial) {
		s.ceiling(0, 0)
		s.ceiling(100, 0)
		s.ceiling(0, 100)
		s.ceiling(50, 100)
		s.ceiling(0, 100)
		s.ceiling(1<<53-1, 100)
		s.ceiling(0, 1<<53-1)
	}},
	{name: "Persists", check: func(s *trial) {
		s.ceiling(1<<50, 0)
		s.reopen()
		if s.instance.Reopen != nil {
			s.ceiling(1<<50+1, 1<<50)
		}
	}},
}

// ceiling raises the ceiling and expects what it was before.
func (s *trial) ceiling(raise, want uint64) {
	s.Helper()
	if was, err := s.store.Ceiling(s.ctx, raise); err != nil || was != want {
		s.Fatalf("Ceiling(%d) = %d, %v, want %d", raise, was, err, want)
	}
}

// reopenTests hold what a store keeps over Close and Reopen, all at once; the other tests reopen too, in between.
var reopenTests = []test{{name: "EverythingIsThere", needs: func(in *Instance) bool { return in.Reopen != nil }, check: func(s *trial) {
	s.putKeys(record("alice", "a"), record("bob", "b"))
	s.lock("bob")
	s.keep(sent(1, "one", "x"), sent(2, "two", "x"), sent(3, "", "x"), envelope("carol", 9))
	s.confirm("bob", 1)
	s.ceiling(77, 0)
	for range 3 {
		s.reopen()
		s.keys(record("alice", "a"), locked(record("bob", "b")), unknown("carol"))
		s.pending("bob", sent(2, "two", "x"), sent(3, "", "x"))
		s.pending("carol", envelope("carol", 9))
		s.ceiling(0, 77)
	}
}}}

// fullTests hold what still works when the store has no room left.
var fullTests = []test{{name: "RefusesAndRecovers", needs: func(in *Instance) bool { return in.Fill != nil }, check: func(s *trial) {
	s.putKeys(record("alice", "a"))
	s.keep(envelope("bob", 1), envelope("bob", 2), envelope("bob", 3))
	s.instance.Fill(s.T)
	s.outcomes(s.append(envelope("bob", 4), envelope("carol", 1)), persistence.ErrFull, persistence.ErrFull)
	errs := stale(1)
	if err := s.store.PutKeys(s.ctx, []persistence.KeyRecord{record("carol", "c")}, errs); err != nil {
		errs[0] = err
	}
	s.outcomes(errs, persistence.ErrFull)
	s.keys(record("alice", "a"), unknown("carol"))
	s.pending("bob", envelope("bob", 1), envelope("bob", 2), envelope("bob", 3))
	s.confirm("bob", 2)
	s.pending("bob", envelope("bob", 3))
	s.instance.Free(s.T)
	s.keep(envelope("bob", 4), envelope("carol", 1))
	s.putKeys(record("carol", "c"))
	s.pending("bob", envelope("bob", 3), envelope("bob", 4))
	s.pending("carol", envelope("carol", 1))
}}}

var _ testing.TB = (*trial)(nil)
