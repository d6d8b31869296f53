package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

var callTests = []test{
	{name: "Ping", check: func(s *trial) {
		if err := s.store.Ping(s.ctx); err != nil {
			s.Fatalf("Ping: %v", err)
		}
	}},
	{name: "EmptyCalls", check: func(s *trial) {
		for name, err := range map[string]error{
			"PutKeys": s.store.PutKeys(s.ctx, nil, nil), "Keys": s.store.Keys(s.ctx, nil, nil, nil),
			"Lock": s.store.Lock(s.ctx, nil, nil), "Append": s.store.Append(s.ctx, nil, nil),
			"Read": s.store.Read(s.ctx, nil, nil), "Confirm": s.store.Confirm(s.ctx, nil, nil),
		} {
			if err != nil {
				s.Errorf("%s of nothing: %v", name, err)
			}
		}
	}},
	{name: "CancelledContextDoesNothing", check: cancelled},
}

func cancelled(s *trial) {
	s.putKeys(record("alice", "a"))
	s.keep(envelope("alice", 1))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	users := []protocol.UserID{user("alice")}
	_, expireErr := s.store.Expire(ctx, later, 10)
	_, ceilingErr := s.store.Ceiling(ctx, 5)
	for name, err := range map[string]error{
		"PutKeys": s.store.PutKeys(ctx, []persistence.KeyRecord{record("bob", "b")}, stale(1)),
		"Keys":    s.store.Keys(ctx, users, make([]persistence.KeyRecord, 1), stale(1)),
		"Lock":    s.store.Lock(ctx, users, stale(1)),
		"Append":  s.store.Append(ctx, []persistence.Pending{envelope("alice", 2)}, stale(1)),
		"Read":    s.store.Read(ctx, []persistence.ReadRequest{{User: users[0], Count: 1, Bytes: 1}}, make([]persistence.Page, 1)),
		"Confirm": s.store.Confirm(ctx, []persistence.Confirmed{{User: users[0], Seq: 1}}, stale(1)),
		"Expire":  expireErr,
		"Ceiling": ceilingErr,
	} {
		if !errors.Is(err, persistence.ErrUnavailable) {
			s.Errorf("%s with a cancelled context: %v, want %v", name, err, persistence.ErrUnavailable)
		}
	}
	s.keys(record("alice", "a"), unknown("bob"))
	s.pending("alice", envelope("alice", 1))
	s.ceiling(0, 0)
}

var concurrencyTests = []test{{name: "UsersOfDifferentCallsKeepTheirOrder", quota: roomy, check: concurrent}}

var roomy = persistence.Quota{Messages: 20, Bytes: 2000}

// concurrent lets several callers work at once, each on users of its own, while others call what names no user. The
// callers append, now and then the same again, read and confirm; every envelope must come out once and in order,
// unless it was to expire, and at the end every mailbox must have room for exactly its quota.
func concurrent(s *trial) {
	const callers, users, rounds = 6, 4, 40
	var wg, background sync.WaitGroup
	var expired, read atomic.Int64
	stop := make(chan struct{})
	background.Go(func() {
		for raise := uint64(1); ; raise++ {
			select {
			case <-stop:
				return
			default:
			}
			n, err := s.store.Expire(s.ctx, now, 5)
			if err != nil {
				s.Errorf("Expire: %v", err)
			}
			expired.Add(int64(n))
			if _, err := s.store.Ceiling(s.ctx, raise); err != nil {
				s.Errorf("Ceiling: %v", err)
			}
			if err := s.store.Ping(s.ctx); err != nil {
				s.Errorf("Ping: %v", err)
			}
		}
	})
	for c := range callers {
		wg.Go(func() {
			n, err := caller(s, c, users, rounds)
			if err != nil {
				s.Errorf("caller %d: %v", c, err)
			}
			read.Add(int64(n))
		})
	}
	wg.Wait()
	close(stop)
	background.Wait()
	total := int64(callers * users * rounds)
	if short := total / 5; expired.Load() > short || read.Load() != total-short {
		s.Fatalf("%d read and %d expired of %d, of which %d were to expire", read.Load(), expired.Load(), total, short)
	}
	for c := range callers {
		for u := range users {
			s.room(callerUser(c, u), rounds+1)
		}
	}
}

// room expects that a mailbox has room for exactly its quota of messages, from seq on.
func (s *trial) room(name string, seq uint64) {
	s.Helper()
	for range roomy.Messages {
		s.keep(envelope(name, seq))
		seq++
	}
	s.outcomes(s.append(envelope(name, seq)), errQuota)
}

func callerUser(c, u int) string { return fmt.Sprintf("caller%d user%d", c, u) }

// caller appends rounds envelopes to each of its users, one in five of them expired, and returns how many it read. It
// runs beside the test, hence does not end it.
func caller(s *trial, c, users, rounds int) (read int, err error) {
	name := func(u int) string { return callerUser(c, u) }
	last := make([]uint64, users)
	for round := 1; round <= rounds; round++ {
		var batch []persistence.Pending
		for u := range users {
			p := envelope(name(u), uint64(round))
			if round%5 == 0 {
				p.Expires = now
			}
			batch = append(batch, p)
		}
		for range 1 + round%2 {
			for i, err := range s.append(batch...) {
				if err != nil {
					return read, fmt.Errorf("append %d in round %d: %w", i, round, err)
				}
			}
		}
		if round%4 != 0 && round != rounds {
			continue
		}
		for u := range users {
			n, err := drain(s, name(u), &last[u])
			if err != nil {
				return read, err
			}
			read += n
		}
	}
	return read, nil
}

// drain reads and confirms what a user has, a few at a time. At the end it confirms one more than it read, since the
// envelope of the last round has expired, as every fifth one.
func drain(s *trial, name string, last *uint64) (read int, err error) {
	for {
		pages, errs := make([]persistence.Page, 1), stale(1)
		r := persistence.ReadRequest{User: user(name), After: *last, Count: 3, Bytes: far, Now: now}
		err := s.store.Read(s.ctx, []persistence.ReadRequest{r}, pages)
		if err := errors.Join(err, pages[0].Err); err != nil {
			return read, err
		}
		for i := range pages[0].Pending {
			got, want := pages[0].Pending[i], envelope(name, *last+1)
			if want.Seq%5 == 0 {
				want = envelope(name, *last+2) // that one has expired
			}
			if !equal(&got, &want) {
				return read, fmt.Errorf("got %s, want %s", describe(&got), describe(&want))
			}
			*last = got.Seq
			read++
		}
		confirmed := persistence.Confirmed{User: user(name), Seq: *last}
		if !pages[0].More {
			confirmed.Seq++
		}
		err = s.store.Confirm(s.ctx, []persistence.Confirmed{confirmed}, errs)
		if err := errors.Join(err, errs[0]); err != nil {
			return read, err
		}
		if !pages[0].More {
			return read, nil
		}
	}
}
