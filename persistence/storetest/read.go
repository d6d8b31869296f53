package storetest

import "github.com/enigma-protocol/enigma/persistence"

// far is a bound that no page in the suite reaches.
const far = 1 << 40

var readTests = []test{
	{name: "UnknownUserHasAnEmptyPage", check: func(s *trial) { s.pending("nobody") }},
	{name: "AfterIsExclusive", check: func(s *trial) {
		s.keep(envelope("bob", 3), envelope("bob", 5), envelope("bob", 9))
		for after, want := range map[uint64][]persistence.Pending{
			0:         {envelope("bob", 3), envelope("bob", 5), envelope("bob", 9)},
			2:         {envelope("bob", 3), envelope("bob", 5), envelope("bob", 9)},
			3:         {envelope("bob", 5), envelope("bob", 9)},
			4:         {envelope("bob", 5), envelope("bob", 9)},
			8:         {envelope("bob", 9)},
			9:         {},
			1<<53 - 1: {},
		} {
			p := s.page(persistence.ReadRequest{User: user("bob"), After: after, Count: 10, Bytes: far, Now: now})
			s.same(p.Pending, want)
			if p.More {
				s.Fatalf("after %d: More at the end", after)
			}
		}
	}},
	{name: "CountBoundsAPage", check: func(s *trial) {
		want := s.fill("bob", 10, 100)
		for count := 1; count <= 12; count++ {
			p := s.page(persistence.ReadRequest{User: user("bob"), Count: count, Bytes: far, Now: now})
			s.same(p.Pending, want[:min(count, 10)])
			s.more(p.More, len(p.Pending), 10, count <= 10)
		}
	}},
	{name: "BytesBoundAPage", check: func(s *trial) {
		want := s.fill("bob", 10, 100)
		for bound := 1; bound <= 1100; bound += 33 {
			p := s.page(persistence.ReadRequest{User: user("bob"), Count: 100, Bytes: bound, Now: now})
			n := len(p.Pending)
			s.same(p.Pending, want[:n])
			// A store may stop before the envelope that crosses the bound or after it, but not elsewhere.
			if n == 0 || (n-1)*100 >= bound || n < 10 && (n+1)*100 < bound {
				s.Fatalf("page of %d envelopes of 100 bytes for a bound of %d", n, bound)
			}
			s.more(p.More, n, 10, n*100 >= bound || (n+1)*100 > bound)
		}
	}},
	{name: "ReturnsAtLeastOne", check: func(s *trial) {
		s.keep(sized(1, 5000), sized(2, 5000))
		p := s.page(persistence.ReadRequest{User: user("bob"), Count: 10, Bytes: 1, Now: now})
		s.same(p.Pending, []persistence.Pending{sized(1, 5000)})
		s.more(p.More, 1, 2, true)
	}},
	{name: "PagesCoverEverythingOnce", check: func(s *trial) {
		want := s.fill("bob", 257, 50)
		var got []persistence.Pending
		after := uint64(0)
		for rounds := 0; ; rounds++ {
			p := s.page(persistence.ReadRequest{User: user("bob"), After: after, Count: 16, Bytes: 600, Now: now})
			got = append(got, p.Pending...)
			if !p.More {
				break
			}
			if len(p.Pending) == 0 || rounds > 300 {
				s.Fatalf("no end: round %d, page of %d with More", rounds, len(p.Pending))
			}
			after = p.Pending[len(p.Pending)-1].Seq
		}
		s.same(got, want)
	}},
	{name: "SkipsTheExpired", check: func(s *trial) {
		s.keep(expiring("bob", 1, now+10), expiring("bob", 2, later), expiring("bob", 3, now+10), expiring("bob", 4, now+11))
		s.same(s.all("bob", now+9), []persistence.Pending{expiring("bob", 1, now+10), expiring("bob", 2, later),
			expiring("bob", 3, now+10), expiring("bob", 4, now+11)})
		s.same(s.all("bob", now+10), []persistence.Pending{expiring("bob", 2, later), expiring("bob", 4, now+11)})
		p := s.page(persistence.ReadRequest{User: user("bob"), Count: 2, Bytes: far, Now: now + 10})
		s.same(p.Pending, []persistence.Pending{expiring("bob", 2, later), expiring("bob", 4, now+11)})
		s.same(s.all("bob", later), nil)
	}},
	{name: "ServesManyRequests", check: func(s *trial) {
		s.keep(envelope("alice", 1), envelope("alice", 2), envelope("carol", 7))
		requests := []persistence.ReadRequest{
			{User: user("carol"), Count: 10, Bytes: far, Now: now},
			{User: user("nobody"), Count: 10, Bytes: far, Now: now},
			{User: user("alice"), Count: 1, Bytes: far, Now: now},
			{User: user("alice"), After: 1, Count: 10, Bytes: far, Now: now},
		}
		pages := make([]persistence.Page, len(requests))
		if err := s.store.Read(s.ctx, requests, pages); err != nil {
			s.Fatalf("Read: %v", err)
		}
		s.same(pages[0].Pending, []persistence.Pending{envelope("carol", 7)})
		s.same(pages[1].Pending, nil)
		s.same(pages[2].Pending, []persistence.Pending{envelope("alice", 1)})
		s.same(pages[3].Pending, []persistence.Pending{envelope("alice", 2)})
	}},
	{name: "NeighboursAreApart", check: func(s *trial) {
		// Every user's mail must lie within bounds of its own, whatever the order of the ids.
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for i, name := range names {
			if i%2 == 0 {
				s.keep(envelope(name, 1), envelope(name, 1<<53-1))
			}
		}
		for i, name := range names {
			if i%2 == 0 {
				s.pending(name, envelope(name, 1), envelope(name, 1<<53-1))
			} else {
				s.pending(name)
			}
		}
	}},
}

// fill appends n envelopes of so many bytes and returns them.
func (s *trial) fill(name string, n, size int) []persistence.Pending {
	s.Helper()
	var batch []persistence.Pending
	for seq := 1; seq <= n; seq++ {
		batch = append(batch, with(envelope(name, uint64(seq)), func(p *persistence.Pending) {
			p.Payload = append(make([]byte, 0, size), p.Payload...)[:size]
		}))
	}
	s.keep(batch...)
	return batch
}

// more checks a page's More: it must be set if anything is behind the page, and may be only if the page is bounded.
func (s *trial) more(got bool, n, total int, bounded bool) {
	s.Helper()
	if !got && n < total {
		s.Fatalf("page of %d of %d without More", n, total)
	}
	if got && !bounded {
		s.Fatalf("page of %d of %d with More, though no bound was met", n, total)
	}
}
