package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/enigma-protocol/enigma/persistence"
)

var appendTests = []test{
	{name: "KeepsOrder", check: func(s *trial) {
		s.keep(envelope("bob", 1), envelope("bob", 2), envelope("bob", 300))
		s.keep(envelope("bob", 301))
		s.keep(envelope("bob", 70_000), envelope("bob", 1<<40))
		s.pending("bob", envelope("bob", 1), envelope("bob", 2), envelope("bob", 300), envelope("bob", 301),
			envelope("bob", 70_000), envelope("bob", 1<<40))
	}},
	{name: "ServesManyUsersInOneBatch", check: manyUsers},
	{name: "RepeatChangesNothing", check: func(s *trial) {
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.keep(envelope("bob", 6), envelope("bob", 7)) // an earlier call's tail comes again with what is new
		s.pending("bob", envelope("bob", 5), envelope("bob", 6), envelope("bob", 7))
	}},
	{name: "AtOrBelowTheHighestChangesNothing", check: func(s *trial) {
		s.keep(envelope("bob", 10))
		s.keep(with(envelope("bob", 10), func(p *persistence.Pending) { p.Payload = []byte("other") }))
		s.keep(envelope("bob", 9), envelope("bob", 11))
		s.pending("bob", envelope("bob", 10), envelope("bob", 11))
	}},
	{name: "RepeatAfterConfirmChangesNothing", check: func(s *trial) {
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.confirm("bob", 6)
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.pending("bob")
		s.reopen()
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.pending("bob")
		s.keep(envelope("bob", 7))
		s.pending("bob", envelope("bob", 7))
	}},
	{name: "RepeatAfterExpiryChangesNothing", check: func(s *trial) {
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.expire(later, 10, 2)
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.pending("bob")
		s.reopen()
		s.keep(envelope("bob", 5), envelope("bob", 6))
		s.pending("bob")
	}},
	{name: "RepeatAfterConfirmAndExpiryOfAPartChangesNothing", check: func(s *trial) {
		short := with(envelope("bob", 7), func(p *persistence.Pending) { p.Expires = now + 1 })
		s.keep(envelope("bob", 5), envelope("bob", 6), short)
		s.confirm("bob", 5)
		s.expire(now+1, 10, 1)
		s.reopen()
		s.keep(envelope("bob", 5), envelope("bob", 6), short)
		s.pending("bob", envelope("bob", 6))
	}},
	{name: "KeepsEveryFieldAndByte", check: everyField},
	{name: "KeepsLargePayloads", check: func(s *trial) {
		rng := rand.NewChaCha8([32]byte{})
		var want []persistence.Pending
		for seq := uint64(1); seq <= 20; seq++ {
			payload := make([]byte, 128<<10)
			_, _ = rng.Read(payload)
			want = append(want, with(envelope("bob", seq), func(p *persistence.Pending) { p.Payload = payload }))
		}
		s.keep(want...)
		s.pending("bob", want...)
		s.reopen()
		s.pending("bob", want...)
	}},
	{name: "CopiesWhatItKeeps", check: func(s *trial) {
		payload := []byte("original")
		id := []byte("id-1")
		p := with(envelope("bob", 1), func(p *persistence.Pending) { p.Payload = payload })
		p.ID = string(id)
		s.keep(p)
		copy(payload, "XXXXXXXX")
		got := s.all("bob", now)
		if string(got[0].Payload) != "original" {
			s.Fatalf("payload is %q after the caller reused its buffer", got[0].Payload)
		}
		copy(got[0].Payload, "YYYYYYYY")
		if again := s.all("bob", now); string(again[0].Payload) != "original" {
			s.Fatalf("payload is %q after the reader changed its copy", again[0].Payload)
		}
	}},
	{name: "EmptyBatch", check: func(s *trial) { s.keep() }},
}

func manyUsers(s *trial) {
	const users, rounds = 500, 3
	var batch []persistence.Pending
	want := make(map[string][]persistence.Pending)
	for seq := uint64(1); seq <= rounds; seq++ {
		for u := range users {
			name := fmt.Sprint("user", u)
			batch = append(batch, envelope(name, seq))
			want[name] = append(want[name], envelope(name, seq))
		}
	}
	s.keep(batch...)
	for name := range want {
		s.pending(name, want[name]...)
	}
	s.reopen()
	for name := range want {
		s.pending(name, want[name]...)
	}
}

func everyField(s *trial) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	zeros := bytes.Repeat([]byte{0}, 1000)
	want := []persistence.Pending{
		{To: user("bob"), From: user("a"), Seq: 1, Time: 1, Expires: later, Payload: every},
		{To: user("bob"), From: user("b"), Seq: 2, Time: now, Expires: later, ID: "~", Payload: zeros},
		{To: user("bob"), From: user("bob"), Seq: 3, Time: now, Expires: now + 1, ID: strings.Repeat("i d!", 16), Payload: nil},
		{To: user("bob"), From: user("a"), Seq: 1<<53 - 1, Time: 1<<53 - 1, Expires: 1<<53 - 1, Payload: []byte{0}},
	}
	s.keep(want...)
	s.pending("bob", want...)
	s.reopen()
	s.pending("bob", want...)
	s.pending("b") // a neighbour has nothing
}
