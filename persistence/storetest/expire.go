package storetest

import (
	"fmt"

	"github.com/enigma-protocol/enigma/persistence"
)

// expiring makes an envelope that expires at a time.
func expiring(to string, seq uint64, at int64) persistence.Pending {
	return with(envelope(to, seq), func(p *persistence.Pending) { p.Expires = at })
}

var expireTests = []test{
	{name: "NothingToDo", check: func(s *trial) {
		s.expire(later, 10, 0)
		s.keep(envelope("bob", 1))
		s.expire(now, 10, 0)
		s.pending("bob", envelope("bob", 1))
	}},
	{name: "IsPerMessage", check: func(s *trial) {
		s.keep(envelope("bob", 1), expiring("bob", 2, now+10), envelope("bob", 3), expiring("bob", 4, now+20), envelope("bob", 5))
		s.expire(now+9, 10, 0)
		s.expire(now+10, 10, 1)
		s.pending("bob", envelope("bob", 1), envelope("bob", 3), expiring("bob", 4, now+20), envelope("bob", 5))
		s.expire(now+20, 10, 1)
		s.pending("bob", envelope("bob", 1), envelope("bob", 3), envelope("bob", 5))
		s.expire(later, 10, 3)
		s.pending("bob")
	}},
	{name: "ShortAfterLong", check: func(s *trial) {
		// A later envelope may expire sooner, in a later call and after a restart too.
		s.keep(envelope("bob", 1))
		s.reopen()
		s.keep(expiring("bob", 2, now+10))
		s.keep(expiring("bob", 3, now+5))
		s.expire(now+5, 10, 1)
		s.reopen()
		s.expire(now+10, 10, 1)
		s.pending("bob", envelope("bob", 1))
	}},
	{name: "LimitBoundsOneCall", check: func(s *trial) {
		var batch []persistence.Pending
		for seq := uint64(1); seq <= 10; seq++ {
			batch = append(batch, expiring("bob", seq, now+10), expiring("carol", seq, now+10))
		}
		s.keep(batch...)
		total := 0
		for range 20 {
			n, err := s.store.Expire(s.ctx, now+10, 3)
			if err != nil || n > 3 {
				s.Fatalf("Expire of at most 3: %d, %v", n, err)
			}
			total += n
			if left := len(s.all("bob", now)) + len(s.all("carol", now)); left != 20-total {
				s.Fatalf("%d left after %d were removed", left, total)
			}
			if n == 0 {
				break
			}
		}
		if total != 20 {
			s.Fatalf("removed %d in all, want 20", total)
		}
	}},
	{name: "ManyUsers", check: func(s *trial) {
		const users = 200
		var batch []persistence.Pending
		for u := range users {
			name := fmt.Sprint("user", u)
			batch = append(batch, expiring(name, 1, now+int64(u)), envelope(name, 2))
		}
		s.keep(batch...)
		s.expire(now+users/2-1, 7, users/2)
		s.reopen()
		s.expire(now+users, 1000, users/2)
		for u := range users {
			s.pending(fmt.Sprint("user", u), batch[2*u+1])
		}
		s.expire(later, 33, users)
	}},
	{name: "AfterConfirm", check: func(s *trial) {
		s.keep(expiring("bob", 1, now+10), expiring("bob", 2, now+20), expiring("bob", 3, now+30))
		s.confirm("bob", 1)
		s.expire(now+10, 10, 0) // what was confirmed does not expire
		s.confirm("bob", 3)
		s.expire(now+30, 10, 0)
		s.keep(expiring("bob", 4, now+40), expiring("bob", 5, now+35))
		s.reopen()
		s.expire(now+35, 10, 1)
		s.expire(now+40, 10, 1)
	}},
	{name: "ConfirmOverHoles", check: func(s *trial) {
		s.keep(envelope("bob", 1), expiring("bob", 2, now+10), envelope("bob", 3), expiring("bob", 4, now+10))
		s.expire(now+10, 10, 2)
		s.confirm("bob", 2)
		s.pending("bob", envelope("bob", 3))
		s.confirm("bob", 4)
		s.pending("bob")
		s.keep(envelope("bob", 5))
		s.pending("bob", envelope("bob", 5))
	}},
	{name: "FarInThePast", check: func(s *trial) {
		// A clock may be wrong for a while: what is long expired when it comes is kept, not read, and removed.
		s.keep(expiring("bob", 1, 1), envelope("bob", 2))
		s.pending("bob", envelope("bob", 2))
		s.expire(now, 10, 1)
	}},
}
