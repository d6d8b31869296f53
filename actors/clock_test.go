package actors_test

import (
	"testing"
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
