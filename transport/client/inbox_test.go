package client

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestInbox_AgainstAServer plays a server that delivers, repeats and crashes against an inbox whose owner receives and
// confirms in any order. Every message comes out once, in order of its first delivery, and nothing is confirmed that
// has not been processed.
func TestInbox_AgainstAServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			in        inbox
			seq       uint64
			pending   []*Message          // what the server has and would deliver again
			confirmed = map[string]bool{} // payloads processed by the owner
			held      []*Message          // handed out, not confirmed
			surfaced  []string
			delivered []string // payloads in order of first delivery
			known     = map[string]bool{}
		)
		deliver := func(m *Message) {
			if !known[m.Payload] {
				known[m.Payload] = true
				delivered = append(delivered, m.Payload)
			}
			copied := *m
			in.accept(&copied)
		}
		t.Repeat(map[string]func(*rapid.T){
			"new": func(t *rapid.T) {
				seq += uint64(rapid.IntRange(1, 5).Draw(t, "gap"))
				m := &Message{Seq: seq, From: "x", Payload: fmt.Sprint("p", seq)}
				if rapid.Bool().Draw(t, "id") {
					m.ID = fmt.Sprint("i", seq)
				}
				pending = append(pending, m)
				deliver(m)
			},
			"sent again by its sender, under a new seq": func(t *rapid.T) {
				var withID []*Message
				for _, m := range pending {
					if m.ID != "" {
						withID = append(withID, m)
					}
				}
				if len(withID) == 0 {
					t.Skip()
				}
				m := *rapid.SampledFrom(withID).Draw(t, "m")
				seq++
				m.Seq = seq
				pending = append(pending, &m)
				deliver(&m)
			},
			"reconnect": func(t *rapid.T) {
				in.attach()
				for _, m := range pending {
					deliver(m)
				}
			},
			"crash, and senders try again": func(t *rapid.T) {
				// What was not stored is lost, in any order; what has an id comes again, unless it has already.
				in.attach()
				var kept, again []*Message
				for _, m := range pending {
					switch {
					case rapid.Bool().Draw(t, "stored"):
						kept = append(kept, m)
					case m.ID != "":
						again = append(again, m)
					}
				}
				pending = kept
				for _, m := range kept {
					deliver(m)
				}
				for _, m := range again {
					seq++
					copied := *m
					copied.Seq = seq
					pending = append(pending, &copied)
					deliver(&copied)
				}
			},
			"receive": func(t *rapid.T) {
				if m := in.pop(); m != nil {
					surfaced = append(surfaced, m.Payload)
					held = append(held, m)
				}
			},
			"confirm": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "i")
				confirmed[held[i].Payload] = true
				in.confirm(held[i])
				held = append(held[:i], held[i+1:]...)
			},
			"recv": func(t *rapid.T) {
				for len(pending) > 0 && pending[0].Seq <= in.upTo {
					if !confirmed[pending[0].Payload] {
						t.Fatalf("recv %d deletes %s, which is not processed", in.upTo, pending[0].Payload)
					}
					pending = pending[1:]
				}
			},
			"": func(t *rapid.T) {
				if len(surfaced) > len(delivered) {
					t.Fatalf("surfaced %v of %v", surfaced, delivered)
				}
				for i := range surfaced {
					if surfaced[i] != delivered[i] {
						t.Fatalf("surfaced %v, delivered %v", surfaced, delivered)
					}
				}
				if len(surfaced)+in.queued() != len(delivered) {
					t.Fatalf("%d surfaced and %d queued of %d", len(surfaced), in.queued(), len(delivered))
				}
				for _, mark := range in.marks {
					has := func(m *Message) bool { return m.Seq == mark.seq }
					if mark.seq <= in.reached && !slices.ContainsFunc(pending, has) {
						t.Fatalf("%d still counts, which the server has lost", mark.seq)
					}
				}
			},
		})
		for m := in.pop(); m != nil; m = in.pop() {
			in.confirm(m)
		}
		for _, m := range held {
			in.confirm(m)
		}
		if len(pending) > 0 && in.upTo < pending[len(pending)-1].Seq || len(in.marks) != 0 || in.bytes != 0 {
			t.Fatalf("after all is confirmed: up to %d, %d marks, %d bytes; the server has %d", in.upTo, len(in.marks), in.bytes, len(pending))
		}
	})
}

func TestInbox_SurfacesAMessageBelowTheHighest(t *testing.T) {
	var in inbox
	nine, five := &Message{Seq: 9}, &Message{Seq: 5}
	in.accept(nine)
	if !in.accept(five) {
		t.Fatal("a message never seen was taken for a repeat")
	}
	if in.confirm(nine); in.upTo != 0 {
		t.Fatalf("up to %d while 5 is not confirmed", in.upTo)
	}
	if in.confirm(five); in.upTo != 9 {
		t.Fatalf("up to %d, want 9", in.upTo)
	}
}

// A receiver may hold some messages until it has more. What a crash made the server deliver again, under new seqs, must
// not fill the server's window behind them.
func TestInbox_RepeatsAreNotHeldUpByOldOnes(t *testing.T) {
	var in inbox
	held := make([]*Message, 300)
	for i := range held {
		held[i] = &Message{Seq: uint64(i + 1), ID: fmt.Sprint(i)}
		in.accept(held[i])
	}
	for i := range 299 {
		if i != 0 {
			in.confirm(held[i]) // all but the first and the last
		}
	}
	if in.upTo != 0 {
		t.Fatalf("up to %d", in.upTo)
	}
	in.attach()
	for i := 1; i < 300; i++ {
		in.accept(&Message{Seq: uint64(1000 + i), ID: fmt.Sprint(i)})
	}
	if in.upTo != 1298 || len(in.marks) != 1 {
		t.Errorf("up to %d with %d marks, want 1298: the first is not on the server any more", in.upTo, len(in.marks))
	}
	if in.confirm(held[0]); in.upTo != 1298 {
		t.Errorf("up to %d", in.upTo)
	}
	if in.confirm(held[299]); in.upTo != 1299 {
		t.Errorf("up to %d: the last one's repeat goes with it", in.upTo)
	}
}

// What a crash lost counts no more either when what the server kept, and delivers first, is older: mail whose confirm
// was lost with the crash.
func TestInbox_RepeatsAreNotHeldUpByLostOnesBehindOldMail(t *testing.T) {
	var in inbox
	old := &Message{Seq: 1, ID: "old"}
	held := &Message{Seq: 2, ID: "held"}
	done := &Message{Seq: 3, ID: "done"}
	for _, m := range []*Message{old, held, done} {
		in.accept(m)
	}
	in.confirm(old)
	in.confirm(done)
	in.attach()
	in.accept(&Message{Seq: 1, ID: "old"})
	in.accept(&Message{Seq: 1003, ID: "done"})
	if in.upTo != 1003 || len(in.marks) != 0 {
		t.Errorf("up to %d with %d marks, want 1003: 2 and 3 are not on the server any more", in.upTo, len(in.marks))
	}
	in.accept(&Message{Seq: 1004, ID: "held"})
	if in.upTo != 1003 {
		t.Errorf("up to %d while one is held", in.upTo)
	}
	if in.confirm(held); in.upTo != 1004 {
		t.Errorf("up to %d", in.upTo)
	}
}

func TestInbox_SameIDOtherPayloadIsAnotherMessage(t *testing.T) {
	var in inbox
	for i, m := range []*Message{{Seq: 1, From: "a", ID: "1", Payload: "x"}, {Seq: 2, From: "a", ID: "1", Payload: "y"},
		{Seq: 3, From: "b", ID: "1", Payload: "x"}} {
		if !in.accept(m) {
			t.Errorf("message %d taken for a repeat", i)
		}
	}
	if in.accept(&Message{Seq: 4, From: "a", ID: "1", Payload: "y"}) {
		t.Error("a repeat was not noticed")
	}
}

func TestInbox_MemoryIsBounded(t *testing.T) {
	var in inbox
	const many = 3*rememberIDs + 7
	for i := range many {
		in.accept(&Message{Seq: uint64(i + 1), From: "a", ID: fmt.Sprint(i)})
		in.confirm(in.pop())
	}
	if n := len(in.recent.known); n != rememberIDs || len(in.recent.ring) != n {
		t.Fatalf("remembers %d and %d", n, len(in.recent.ring))
	}
	if in.accept(&Message{Seq: many + 1, From: "a", ID: fmt.Sprint(many - rememberIDs)}) {
		t.Error("forgot the oldest of those it has to remember")
	}
	if !in.accept(&Message{Seq: many + 2, From: "a", ID: "0"}) {
		t.Error("remembers more than it has to")
	}
	if len(in.marks) > 2 || cap(in.queue) > 256 {
		t.Errorf("keeps %d marks, a queue of %d", len(in.marks), cap(in.queue))
	}
}

func TestInbox_Bounds(t *testing.T) {
	var in inbox
	for !in.full(1) {
		in.accept(&Message{Seq: uint64(in.queued() + 1), Payload: "x"})
	}
	if in.queued() != maxMarks {
		t.Errorf("full at %d messages", in.queued())
	}
	var big inbox
	big.accept(&Message{Seq: 1, Payload: string(make([]byte, maxQueued))})
	if !big.full(1) {
		t.Error("not full at its bound of bytes")
	}
	if big.pop(); big.full(1) {
		t.Error("full when empty")
	}
}

func TestInbox_Drained(t *testing.T) {
	var in inbox
	n := 0
	in.push(&Message{})
	in.push(&Message{})
	in.whenDrained(func() { n++ })
	in.push(&Message{})
	if in.pop(); n != 0 {
		t.Fatal("drained too early")
	}
	if in.pop(); n != 1 {
		t.Fatal("not drained")
	}
	if in.pop(); n != 1 {
		t.Fatal("drained twice")
	}
	if in.whenDrained(func() { n++ }); n != 2 {
		t.Fatal("an empty inbox is drained")
	}
}
