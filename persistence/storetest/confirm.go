package storetest

import (
	"fmt"

	"github.com/enigma-protocol/enigma/persistence"
)

var confirmTests = []test{
	{name: "IsCumulative", check: func(s *trial) {
		s.keep(envelope("bob", 1), envelope("bob", 2), envelope("bob", 5), envelope("bob", 6))
		s.confirm("bob", 2)
		s.pending("bob", envelope("bob", 5), envelope("bob", 6))
		s.confirm("bob", 4) // between two
		s.pending("bob", envelope("bob", 5), envelope("bob", 6))
		s.confirm("bob", 5)
		s.pending("bob", envelope("bob", 6))
		s.confirm("bob", 6)
		s.pending("bob")
	}},
	{name: "IsIdempotent", check: func(s *trial) {
		s.keep(envelope("bob", 1), envelope("bob", 2), envelope("bob", 3))
		for range 3 {
			s.confirm("bob", 2)
			s.confirm("bob", 1)
			s.confirm("bob", 0)
			s.pending("bob", envelope("bob", 3))
		}
	}},
	{name: "BeyondTheTail", check: func(s *trial) {
		s.keep(envelope("bob", 1), envelope("bob", 2))
		s.confirm("bob", 1000)
		s.pending("bob")
		s.keep(envelope("bob", 3)) // below what was confirmed, and new: a confirm says nothing of the future
		s.pending("bob", envelope("bob", 3))
		s.confirm("bob", 1<<53-1)
		s.pending("bob")
	}},
	{name: "UnknownUser", check: func(s *trial) {
		s.confirm("nobody", 5)
		s.keep(envelope("nobody", 3))
		s.pending("nobody", envelope("nobody", 3))
	}},
	{name: "LeavesOthersAlone", check: func(s *trial) {
		s.keep(envelope("alice", 1), envelope("bob", 1), envelope("carol", 1))
		s.confirm("bob", 1<<53-1)
		s.pending("alice", envelope("alice", 1))
		s.pending("bob")
		s.pending("carol", envelope("carol", 1))
	}},
	{name: "LargeDrains", check: func(s *trial) {
		for _, n := range []int{1, 63, 64, 65, 500} {
			name := fmt.Sprint("user", n)
			want := s.fill(name, n+1, 100)
			s.confirm(name, uint64(n))
			s.pending(name, want[n])
			s.confirm(name, uint64(n+1))
			s.pending(name)
			s.reopen()
			s.pending(name)
			next := envelope(name, uint64(n+2))
			s.keep(next)
			s.pending(name, next)
		}
	}},
	{name: "ManyUsersInOneCall", check: func(s *trial) {
		const users = 300
		var batch []persistence.Pending
		var confirmed []persistence.Confirmed
		for u := range users {
			name := fmt.Sprint("user", u)
			batch = append(batch, envelope(name, 1), envelope(name, 2), envelope(name, 3))
			confirmed = append(confirmed, persistence.Confirmed{User: user(name), Seq: uint64(u % 4)})
		}
		s.keep(batch...)
		errs := stale(users)
		if err := s.store.Confirm(s.ctx, confirmed, errs); err != nil {
			s.Fatalf("Confirm: %v", err)
		}
		s.outcomes(errs, make([]error, users)...)
		for u := range users {
			s.pending(fmt.Sprint("user", u), batch[u*3+u%4:u*3+3]...)
		}
	}},
	{name: "TwiceInOneCall", check: func(s *trial) {
		s.keep(envelope("bob", 1), envelope("bob", 2), envelope("bob", 3))
		errs := stale(2)
		confirmed := []persistence.Confirmed{{User: user("bob"), Seq: 2}, {User: user("bob"), Seq: 1}}
		if err := s.store.Confirm(s.ctx, confirmed, errs); err != nil {
			s.Fatalf("Confirm: %v", err)
		}
		s.outcomes(errs, nil, nil)
		s.pending("bob", envelope("bob", 3))
	}},
}
