package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
)

// script is a ledger with one sender and one recipient, and messages that are known by one letter.
type script struct {
	*ledger.Ledger
	conn *ledger.Conn
	seq  uint64
}

func (s *script) send(ids string) *script {
	for _, id := range strings.Split(ids, "") {
		s.Sent("alice", "bob", id, ledger.Payload(id, 10))
	}
	return s
}

func (s *script) ack(ids string) *script {
	for _, id := range strings.Split(ids, "") {
		s.Acked("alice", "bob", id)
	}
	return s
}

func (s *script) refuse(code, ids string) *script {
	for _, id := range strings.Split(ids, "") {
		s.Refused("alice", "bob", id, code)
	}
	return s
}

func (s *script) receive(ids string) *script {
	for _, id := range strings.Split(ids, "") {
		s.seq++
		s.conn.Received("alice", "bob", id, ledger.Payload(id, 10), s.seq)
	}
	return s
}

func (s *script) reconnect() *script {
	s.conn = s.Connected("bob")
	return s
}

func (s *script) cut() *script {
	s.MayRefuse()
	s.Cut("alice")
	return s
}

// TestLedger_Judges has for every promise histories that break it and histories that look alike and do not. The
// expected verdict is what is broken: l)ost r)eordered a)ltered m)isdelivered i)nvented s)eq.
func TestLedger_Judges(t *testing.T) {
	for name, c := range map[string]struct {
		history func(s *script)
		want    string
	}{
		"all well":                 {func(s *script) { s.send("abc").receive("abc").ack("abc") }, ""},
		"an ack and nothing more":  {func(s *script) { s.send("abc").ack("abc").receive("ac") }, "l"},
		"nothing known of one":     {func(s *script) { s.send("abc").ack("ac").receive("ac") }, ""},
		"two swapped":              {func(s *script) { s.send("abc").receive("acb").ack("abc") }, "r"},
		"two swapped without ack":  {func(s *script) { s.send("abc").receive("acb") }, "r"},
		"duplicates in any order":  {func(s *script) { s.send("abc").receive("abcba").ack("abc") }, ""},
		"swapped, then duplicates": {func(s *script) { s.send("abc").receive("bacabc") }, "r"},
		"sent again in order":      {func(s *script) { s.send("abc").receive("a").send("abc").receive("abc") }, ""},
		"sent again, first lost":   {func(s *script) { s.send("abc").send("abcd").receive("bcad") }, "r"},
		"refused, takes a new place": {func(s *script) {
			s.send("abc").refuse("STORE_UNAVAILABLE", "a").ack("bc").send("a").ack("a").receive("bca")
		}, ""},
		"refused, keeps its place": {func(s *script) {
			s.send("abc").refuse("STORE_UNAVAILABLE", "a").ack("bc").send("a").ack("a").receive("abc")
		}, ""},
		"refused, overtakes what it may not": {func(s *script) {
			s.send("abc").refuse("STORE_UNAVAILABLE", "b").send("b").ack("abc").receive("bac")
		}, "r"},
		"refused, overtaken by what it may not be": {func(s *script) {
			s.send("ab").refuse("STORE_UNAVAILABLE", "a").send("a").send("c").ack("abc").receive("bca")
		}, "r"},
		"refused, the others swapped": {func(s *script) {
			s.send("abc").refuse("STORE_UNAVAILABLE", "a").receive("cb")
		}, "r"},
		"unanswered by a conn that ended, maybe refused": {func(s *script) { s.send("ab").cut().send("ab").ack("ab").receive("ba") }, ""},
		"answered before the conn ended":                 {func(s *script) { s.send("ab").ack("ab").cut().receive("ba") }, "r"},
		"refused for good and delivered":                 {func(s *script) { s.send("a").refuse("MAILBOX_FULL", "a").receive("a") }, "i"},
		"refused, sent again and delivered":              {func(s *script) { s.send("a").refuse("MAILBOX_FULL", "a").send("a").receive("a") }, ""},
		"refused for good and lost":                      {func(s *script) { s.send("a").refuse("MAILBOX_FULL", "a") }, ""},
		"perhaps refused and delivered":                  {func(s *script) { s.send("a").refuse("STORE_UNAVAILABLE", "a").receive("a") }, ""},
		"acknowledged, then refused, lost":               {func(s *script) { s.send("a").ack("a").send("a").refuse("MAILBOX_FULL", "a") }, "l"},
		"an ack for nothing":                             {func(s *script) { s.send("a").receive("a").ack("ab") }, "i"},
		"an error for nothing":                           {func(s *script) { s.send("a").receive("a").refuse("MAILBOX_FULL", "b") }, "i"},
		"a message by nobody":                            {func(s *script) { s.send("a").receive("ab") }, "i"},
		"another payload":                                {func(s *script) { s.send("a"); s.conn.Received("alice", "bob", "a", "a yyyyyyyy", 1) }, "a"},
		"a duplicate with another payload": {func(s *script) {
			s.send("a").receive("a")
			s.conn.Received("alice", "bob", "a", "a yyyyyyyy", 12)
		}, "a"},
		"to somebody else":        {func(s *script) { s.send("a"); s.Connected("eve").Received("alice", "bob", "a", "a xxxxxxxx", 1) }, "m"},
		"addressed to another":    {func(s *script) { s.send("a"); s.Connected("eve").Received("alice", "eve", "a", "a xxxxxxxx", 1) }, "m"},
		"from another":            {func(s *script) { s.send("a"); s.conn.Received("eve", "bob", "a", "a xxxxxxxx", 1) }, "i"},
		"a seq that falls":        {func(s *script) { s.send("ab").receive("a"); s.seq -= 2; s.receive("b") }, "s"},
		"a seq again on a conn":   {func(s *script) { s.send("a").receive("a"); s.seq--; s.receive("a") }, "s"},
		"a seq again on the next": {func(s *script) { s.send("a").receive("a").reconnect(); s.seq--; s.receive("a") }, ""},
		"a seq again for another": {func(s *script) { s.send("ab").receive("a").reconnect(); s.seq--; s.receive("b") }, "s"},
		"two recipients in a swap": {func(s *script) {
			s.send("a")
			s.Sent("alice", "eve", "b", "b")
			s.Connected("eve").Received("alice", "eve", "b", "b", 0)
			s.receive("a")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{Ledger: ledger.New(), seq: 10}
			c.history(s.reconnect())
			v := s.Judge()
			got := ""
			for letter, n := range map[string]int{"l": v.Lost, "r": v.Reordered, "a": v.Altered, "m": v.Misdelivered, "i": v.Invented, "s": v.SeqBroken} {
				if n > 0 {
					got += letter
				}
			}
			if got != c.want || v.OK() != (c.want == "") {
				t.Errorf("judged %q (ok: %t), want %q\n%s", got, v.OK(), c.want, v)
			}
		})
	}
}

func TestLedger_Counts(t *testing.T) {
	s := (&script{Ledger: ledger.New()}).reconnect()
	s.send("abcdef").ack("ab").refuse("MAILBOX_FULL", "c").send("f").receive("abde").reconnect().receive("ab")
	if open := s.Open(); open != 3 {
		t.Errorf("%d open, want d, e and f", open)
	}
	c := s.Judge().Count
	want := "6 messages in 7 attempts, 2 acknowledged, refused: 1 MAILBOX_FULL, 4 delivered, 2 duplicates, 1 without an answer, 2 delivered unacknowledged"
	if got := fmt.Sprint(c); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPayload_HoldsTheID(t *testing.T) {
	for _, size := range []int{0, 3, 100} {
		if p := ledger.Payload("m1", size); ledger.ID(p) != "m1" || len(p) != max(size, 3) {
			t.Errorf("%d bytes: %q", size, p)
		}
	}
}
