// Package storetest holds the one conformance suite that every store passes, and two stores for tests: one in memory
// and one that fails as it is told.
//
// The suite is the meaning of actors.Store, made precise. Where the interface leaves a store a choice (how far a page
// goes past its bytes, whether More is exact, when before Expire an expired envelope stops to count) the suite accepts
// each; everything else is the same for all.
//
// A store's own test calls [Run] with a function that opens an empty store. What a store can do beyond the interface,
// be opened again over the same data or be full, it says in the [Instance] it returns; the parts that need it run then.
//
// The Example is a complete store to begin with: a file for each user, the broker on it, and beside it the test that
// runs the suite.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Instance is one store under test and what can be done to it.
type Instance struct {
	// Store is open and empty. The suite closes it.
	Store actors.Store
	// Reopen opens the data of the store, which the suite has closed, once more. Nil: the store survives nothing.
	Reopen func(t *testing.T) actors.Store
	// Fill makes the store full, Free ends that. Nil: the store is never full.
	Fill, Free func(t *testing.T)
}

// Open opens an empty store with the given quota for one test. What it needs to release beyond closing the store it
// registers with t.Cleanup; it fails t if it cannot open.
type Open func(t *testing.T, quota persistence.Quota) *Instance

// Run runs the whole suite, each test on a store of its own.
func Run(t *testing.T, open Open) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"Append", appendTests}, {"Quota", quotaTests}, {"IDs", idTests}, {"Read", readTests},
		{"Confirm", confirmTests}, {"Expire", expireTests}, {"Keys", keyTests}, {"Ceiling", ceilingTests},
		{"Concurrency", concurrencyTests}, {"Calls", callTests}, {"Reopen", reopenTests}, {"Full", fullTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, open) })
			}
		})
	}
	t.Run("Model", func(t *testing.T) { checkModel(t, open) })
}

// test is one test of the suite: a promise, the quota it needs of its store and the calls that check it.
type test struct {
	name  string
	quota persistence.Quota
	check func(s *trial)
	needs func(*Instance) bool // nil: nothing
}

func (c *test) run(t *testing.T, open Open) {
	s := begin(t, open, c.quota)
	defer s.close()
	if c.needs != nil && !c.needs(s.instance) {
		return // the store does not claim this; a skip would look like an omission of this run
	}
	c.check(s)
}

// trial is an open store under test. Its methods make calls that are expected to succeed, and fail the test if
// they do not.
type trial struct {
	*testing.T
	instance *Instance
	store    actors.Store // nil once closed
	ctx      context.Context
}

// callTimeout bounds the calls of one test: long enough for any healthy store on a busy machine.
const callTimeout = time.Minute

func begin(t *testing.T, open Open, quota persistence.Quota) *trial {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	t.Cleanup(cancel)
	in := open(t, quota)
	return &trial{T: t, instance: in, store: in.Store, ctx: ctx}
}

func (s *trial) close() {
	s.Helper()
	if s.store == nil {
		return
	}
	if err := s.store.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
	s.store = nil
}

// reopen closes the store and opens it again, if it can.
func (s *trial) reopen() {
	s.Helper()
	if s.instance.Reopen == nil {
		return
	}
	s.close()
	s.store = s.instance.Reopen(s.T)
}

// now is the time at which nothing in a test has expired, in ms; mail made by envelope expires at later.
const (
	now   = int64(1_700_000_000_000)
	later = now + 30*24*3600*1000
)

func user(name string) protocol.UserID { return protocol.NewUserID([]byte(name)) }

// envelope makes a plain one from "sender", with a payload that names it.
func envelope(to string, seq uint64) persistence.Pending {
	return persistence.Pending{
		To: user(to), From: user("sender"), Seq: seq, Time: now + int64(seq), Expires: later,
		Payload: fmt.Appendf(nil, "%s %d", to, seq),
	}
}

// with returns p changed by f.
func with(p persistence.Pending, f func(*persistence.Pending)) persistence.Pending {
	f(&p)
	return p
}

// identified gives p an id.
func identified(p persistence.Pending, id string) persistence.Pending {
	p.ID = id
	return p
}

// errStale is what results hold before a call: a store sets every one of them.
var errStale = errors.New("result of an earlier call")

func stale(n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = errStale
	}
	return errs
}

// append makes one call and returns the outcomes of its items; an error of the whole call is that of each.
func (s *trial) append(pending ...persistence.Pending) []error {
	errs := stale(len(pending))
	if err := s.store.Append(s.ctx, pending, errs); err != nil {
		each(errs)(err)
	}
	return errs
}

// keep appends and expects success.
func (s *trial) keep(pending ...persistence.Pending) {
	s.Helper()
	s.outcomes(s.append(pending...), make([]error, len(pending))...)
}

// outcomes compares results with what is expected, by errors.Is.
func (s *trial) outcomes(got []error, want ...error) {
	s.Helper()
	for i := range want {
		if !errors.Is(got[i], want[i]) {
			s.Fatalf("item %d of %d: got %v, want %v", i, len(want), got[i], want[i])
		}
	}
}

// confirm confirms for one user.
func (s *trial) confirm(name string, seq uint64) {
	s.Helper()
	errs := stale(1)
	if err := s.store.Confirm(s.ctx, []persistence.Confirmed{{User: user(name), Seq: seq}}, errs); err != nil || errs[0] != nil {
		s.Fatalf("Confirm of %s up to %d: %v, %v", name, seq, err, errs[0])
	}
}

// page reads one page, into a result that holds an earlier one.
func (s *trial) page(r persistence.ReadRequest) persistence.Page {
	s.Helper()
	pages := []persistence.Page{{Pending: []persistence.Pending{{Seq: 1}}, More: true, Err: errStale}}
	if err := s.store.Read(s.ctx, []persistence.ReadRequest{r}, pages); err != nil || pages[0].Err != nil {
		s.Fatalf("Read: %v, %v", err, pages[0].Err)
	}
	return pages[0]
}

// all reads everything a user has pending at a time.
func (s *trial) all(name string, at int64) []persistence.Pending {
	s.Helper()
	p := s.page(persistence.ReadRequest{User: user(name), Count: 1 << 20, Bytes: 1 << 40, Now: at})
	if p.More {
		s.Fatalf("Read of %s: More after a page far below its bounds", name)
	}
	return p.Pending
}

// pending expects that this, in this order, is all a user has pending.
func (s *trial) pending(name string, want ...persistence.Pending) {
	s.Helper()
	s.same(s.all(name, now), want)
}

func (s *trial) same(got, want []persistence.Pending) {
	s.Helper()
	if len(got) != len(want) {
		s.Fatalf("got %d envelopes %v, want %d %v", len(got), seqs(got), len(want), seqs(want))
	}
	for i := range want {
		if g, w := got[i], want[i]; !equal(&g, &w) {
			s.Fatalf("envelope %d: got %s, want %s", i, describe(&g), describe(&w))
		}
	}
}

func equal(a, b *persistence.Pending) bool {
	return a.To == b.To && a.From == b.From && a.Seq == b.Seq && a.Time == b.Time && a.Expires == b.Expires &&
		a.ID == b.ID && string(a.Payload) == string(b.Payload)
}

func describe(p *persistence.Pending) string {
	return fmt.Sprintf("{to %s from %s seq %d time %d expires %d id %q payload %d bytes %.40q}",
		p.To, p.From, p.Seq, p.Time, p.Expires, p.ID, len(p.Payload), p.Payload)
}

func seqs(pending []persistence.Pending) []uint64 {
	list := make([]uint64, len(pending))
	for i := range pending {
		list[i] = pending[i].Seq
	}
	return list
}

// expire removes all that has expired, limit at a time, and expects so many in all.
func (s *trial) expire(at int64, limit, want int) {
	s.Helper()
	total := 0
	for {
		n, err := s.store.Expire(s.ctx, at, limit)
		if err != nil || n < 0 || n > limit {
			s.Fatalf("Expire at %d, at most %d: %d, %v", at, limit, n, err)
		}
		if n == 0 {
			break
		}
		total += n
	}
	if total != want {
		s.Fatalf("Expire at %d removed %d in all, want %d", at, total, want)
	}
}
