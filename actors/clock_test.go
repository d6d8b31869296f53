package actors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
)

// shifted is the machine's clock, its wall set wrong.
type shifted struct {
	actors.Clock
	by time.Duration
}

func (c shifted) Now() time.Time { return c.Clock.Now().Add(c.by) }

// The clock is set back one hour across a restart: seqs go on rising, nothing is deleted or expires early.
func TestClock_SetBackAcrossARestart(t *testing.T) {
	store := newMemory()
	delivery := actors.DefaultDelivery()
	delivery.TTL = 30 * time.Minute
	var last uint64
	check := func(f frame) {
		t.Helper()
		if f.Seq <= last {
			t.Fatalf("seq %d after %d", f.Seq, last)
		}
		last = f.Seq
	}
	for _, by := range []time.Duration{0, -time.Hour, -2 * time.Hour, 0, -time.Hour} {
		b := newBroker(t, store, actors.WithClock(shifted{actors.NewClock(), by}), actors.WithDelivery(delivery))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob, v1)
		c.next()
		if last > 0 && by < 0 { // what was stored before the restart is there
			f := c.next()
			if f.Payload != "kept" {
				t.Fatalf("got %+v", f)
			}
			check(f)
		}
		for c.next().Type != "drained" {
		}
		a.send(bob, "live")
		f := c.next()
		check(f)
		c.recv(f.Seq)
		c.drop()
		a.send(bob, "kept")
		if err := shutdown(t, b); err != nil {
			t.Fatal(err)
		}
	}
}

// running is the machine's clock, of a broker that has run for so long.
type running struct {
	actors.Clock
	since time.Duration
}

func (c running) Mono() time.Duration { return c.since + c.Clock.Mono() }

// Moments are kept in 32 bits of milliseconds, which come round after 49 days: around that day and long after it
// fences, spills and liveness come when they are due, neither at once nor never.
func TestClock_RunningForMonths(t *testing.T) {
	const round = time.Millisecond << 32
	for _, since := range []time.Duration{round - 100*time.Millisecond, round - 30*time.Second, round + time.Hour, 5*round + time.Minute} {
		t.Run(since.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, newMemory(), actors.WithClock(running{actors.NewClock(), since}))
				alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
				a, c := attach(t, b, alice), attach(t, b, bob)
				attach(t, b, carol, mute)
				a.send(bob, "first")
				a.send(carol, "unconfirmed")
				time.Sleep(50 * time.Millisecond) // simulated
				a.send(bob, "within the interval")
				if n := c.countPings(); n != 1 {
					t.Fatalf("%d fences, want one with the first data", n)
				}
				time.Sleep(800 * time.Millisecond) // simulated
				if n := b.Stats().Spilled; n != 0 {
					t.Fatalf("%d spilled before they were due", n)
				}
				time.Sleep(300 * time.Millisecond) // simulated
				if n := b.Stats().Spilled; n != 1 {
					t.Fatalf("%d spilled, want what is unconfirmed for a second", n)
				}
				time.Sleep(2 * time.Minute) // simulated
				if n := b.Stats().Detached; n != 0 {
					t.Fatalf("%d conns dropped that answered", n)
				}
				time.Sleep(2 * time.Minute) // simulated
				if n := b.Stats().Detached; n != 1 {
					t.Fatalf("%d conns dropped, want the one that answers nothing", n)
				}
			})
		})
	}
}
