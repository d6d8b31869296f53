package actors_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// about says that one value was counted, d or a tick of the timer wheel more.
func about(t *testing.T, what string, h actors.Histogram, d time.Duration) {
	t.Helper()
	if got := time.Duration(h.Sum) * time.Microsecond; h.Count() != 1 || got < d || got > d+20*time.Millisecond {
		t.Errorf("%s: %d times, %s in all; want one of %s", what, h.Count(), got, d)
	}
}

func TestStats_TimeAMessageToItsWriteAndItsConfirm(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob, v1)
		expect(t, c.next(), frame{Type: "ready"})
		expect(t, c.next(), frame{Type: "drained"})
		c.set(func() { c.stuck = true })
		a.send(bob, "waits for room, then for its confirm")
		synctest.Wait()
		if s := b.Stats(); s.Submitted != 1 || s.Pending != 1 || s.Delivered != 0 || s.WriteTime.Count() != 0 || s.Buffered == 0 {
			t.Errorf("before the write: %+v", s)
		}
		time.Sleep(400 * time.Millisecond)
		c.set(func() { c.stuck = false })
		c.do(func() { c.link.Writable() })
		time.Sleep(300 * time.Millisecond)
		c.recv(c.next().Seq)
		synctest.Wait()
		s := b.Stats()
		if s.Delivered != 1 || s.Confirmed != 1 || s.Pending != 0 || s.Parked+s.Spilled != 0 || s.Buffered != 0 {
			t.Errorf("after the confirm: %+v", s)
		}
		about(t, "to the write", s.WriteTime, 400*time.Millisecond)
		about(t, "to the confirm", s.ConfirmTime, 700*time.Millisecond)
	})
}

func TestStats_MailFromTheStoreHasNoLatency(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a := attach(t, b, alice)
		a.send(bob, "kept")
		synctest.Wait()
		time.Sleep(time.Hour)
		c := attach(t, b, bob)
		expect(t, c.next(), message(alice, bob, "kept"))
		synctest.Wait()
		s := b.Stats()
		if s.Parked != 1 || s.Drained != 1 || s.Delivered != 1 || s.Confirmed != 1 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
		if s.WriteTime.Count()+s.ConfirmTime.Count() != 0 {
			t.Error("mail that waited an hour for its recipient counts as slow")
		}
		appends, expires := s.StoreCalls["append"], s.StoreCalls["expire"]
		if appends.Size.Count() != 1 || appends.Size.Sum != 1 || appends.Time.Count() != 1 {
			t.Errorf("appends: %+v", appends)
		}
		if s.Logins != 2 || s.StoreCalls["put_keys"].Size.Sum != 2 || expires.Time.Count() == 0 {
			t.Errorf("%d logins, %+v", s.Logins, s.StoreCalls)
		}
	})
}

// A fence that follows alone moves the mark of what was sent back over the message it rides on.
func TestStats_CountADeliveryOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, _ := attach(t, b, alice), attach(t, b, bob)
		for i := range 3 {
			a.send(bob, fmt.Sprint(i)) // the first has its fence, the others get one later
		}
		time.Sleep(2 * time.Second)
		if s := b.Stats(); s.Delivered != 3 || s.Confirmed != 3 || s.WriteTime.Count() != 3 || s.ConfirmTime.Count() != 3 {
			t.Errorf("%d delivered, %d confirmed, %d and %d times", s.Delivered, s.Confirmed, s.WriteTime.Count(), s.ConfirmTime.Count())
		}
	})
}

func TestStats_CountStalls(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Append)
	for !a.isPaused() {
		a.send(bob, "x")
	}
	if s := b.Stats(); s.CreditStalls != 1 || s.MemoryStalls != 0 || s.Stalled != 1 {
		t.Errorf("stopped: %+v", s)
	}
	store.Heal()
	close(hold)
	a.await("credit", func() bool { return !a.paused })
	if s := b.Stats(); s.CreditStalls != 1 || s.Stalled != 0 {
		t.Errorf("resumed: %+v", s)
	}
}

func TestStats_TellStallsForMemoryFromThoseForCredit(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithMemory(2<<10))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, _ := attach(t, b, alice), attach(t, b, bob, func(c *conn) { c.stuck = true })
	large := strings.Repeat("x", 10<<10)
	for b.Stats().MemoryStalls == 0 {
		a.send(bob, large)
	}
	if n := b.Stats().CreditStalls; n != 0 {
		t.Errorf("%d stalls for credit", n)
	}
}

func TestStats_CountWhatExpires(t *testing.T) {
	delivery := actors.DefaultDelivery()
	delivery.TTL = time.Minute
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a := attach(t, b, alice)
		for range 3 {
			a.send(bob, "in vain")
		}
		time.Sleep(3 * time.Minute)
		if s := b.Stats(); s.Expired != 3 || s.StoreCalls["expire"].Size.Sum != 3 {
			t.Errorf("%d expired, calls %+v", s.Expired, s.StoreCalls["expire"])
		}
	}, actors.WithDelivery(delivery))
}

// TestStats_TheLongestTurnIsForgottenInTime and does not depend on who reads it, and how often.
func TestStats_TheLongestTurnIsForgottenInTime(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		c := attach(t, b, login(t, b, "alice"))
		before := b.Stats().Shards[0]
		c.do(func() { time.Sleep(3 * time.Second) })
		for range 2 {
			if s := b.Stats(); s.LongestTurn != 3*time.Second || s.Shards[0].Busy-before.Busy != 3*time.Second || s.Shards[0].Turns <= before.Turns {
				t.Fatalf("longest turn %s, busy %+v after %+v", s.LongestTurn, s.Shards, before)
			}
		}
		time.Sleep(35 * time.Second)
		c.do(func() {})
		if s := b.Stats(); s.LongestTurn != 0 {
			t.Errorf("after 35 s: %s", s.LongestTurn)
		}
	})
}

// A shard that is in a long turn does not hold up those who want its numbers.
func TestStats_AnswerThoughAShardDoesNot(t *testing.T) {
	b := newBroker(t, newMemory())
	c := attach(t, b, login(t, b, "alice"))
	c.send(c.id, "x")
	c.next()
	known := b.Stats().Submitted
	hold, held := make(chan struct{}), make(chan struct{})
	c.shard.Post(job(func() { close(held); <-hold }))
	<-held
	if n := b.Stats().Submitted; n != known || n != 1 {
		t.Errorf("%d submitted, want %d", n, known)
	}
	close(hold)
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	if n := b.Stats().Submitted; n != 1 {
		t.Errorf("%d submitted when the broker has ended", n)
	}
}

func TestHistogram_CountsUpToItsBounds(t *testing.T) {
	var h actors.Histogram
	for value, bucket := range map[uint64]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 1 << 27: 27, 1<<27 + 1: 28, 1 << 60: 28} {
		before := h.Counts[bucket]
		h.Observe(value, 2)
		if h.Counts[bucket] != before+2 {
			t.Errorf("%d is not in bucket %d: %v", value, bucket, h.Counts)
		}
	}
	other := h
	h.Merge(&other)
	if h.Count() != 36 || h.Sum != 2*other.Sum {
		t.Errorf("%d values of %d", h.Count(), h.Sum)
	}
}
