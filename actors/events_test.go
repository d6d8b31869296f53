package actors_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// listen collects the events of a broker as text.
func listen(b *actors.Broker, names map[protocol.UserID]string) func() []string {
	var mu sync.Mutex
	var seen []string
	b.System().EventStream.Subscribe(func(e any) {
		if e, ours := e.(*actors.Event); ours && e.Broker == b {
			mu.Lock()
			defer mu.Unlock()
			text := fmt.Sprint(e.Kind, " ", names[e.User], " ", e.Count)
			if e.Code != protocol.CodeNone {
				text += " " + e.Code.String()
			}
			seen = append(seen, text)
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

func TestEvents_TellWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivery := actors.DefaultDelivery()
		delivery.TTL = time.Second
		b := newBroker(t, newMemory(), actors.WithEvents(), actors.WithDelivery(delivery))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		nobody := protocol.NewUserID([]byte("nobody"))
		events := listen(b, map[protocol.UserID]string{alice: "alice", bob: "bob", {}: "-"})
		a := attach(t, b, alice)
		a.send(alice, "live mail makes no event")
		a.next()
		a.send(nobody, "x")
		a.next()
		a.send(bob, "parked")
		synctest.Wait()
		attach(t, b, alice)
		a.await("the end", func() bool { return a.gone })
		if _, err := b.Connect(t.Context(), nobody, actors.ReceiverOptions{}); err == nil {
			t.Fatal("nobody is connected")
		}
		time.Sleep(2 * time.Minute) // expired
		want := []string{
			"attached alice 0", "refused alice 1 USER_NOT_FOUND", "parked bob 1",
			"refused alice 1 REPLACED", "detached alice 0", "attached alice 0",
			"refused  1 USER_NOT_FOUND", "dropped - 1",
		}
		if got := events(); !slices.Equal(got, want) {
			t.Errorf("events\n%q, want\n%q", got, want)
		}
		if n := b.Stats().EventsDropped; n > 0 {
			t.Errorf("%d events dropped", n)
		}
	})
}

// Nobody who did not ask for events gets any.
func TestEvents_AreOff(t *testing.T) {
	b := newBroker(t, newMemory())
	events := listen(b, nil)
	bob := login(t, b, "bob")
	closed(t, open(t, b, bob))
	shutdown(t, b)
	if got := events(); len(got) > 0 {
		t.Errorf("events %q", got)
	}
}

func TestEvents_SubscriberThatPanicsHarmsNobody(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithEvents(), actors.WithLogger(quiet()))
	bob := login(t, b, "bob")
	b.System().EventStream.Subscribe(func(e any) {
		if _, ours := e.(*actors.Event); ours {
			panic("subscriber exploded")
		}
	})
	c := attach(t, b, bob)
	c.send(bob, "x")
	expect(t, c.next(), message(bob, bob, "x"))
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	if n := b.Stats().Panics; n != 2 { // attached, detached
		t.Errorf("%d panics counted", n)
	}
}

// A subscriber that blocks holds up neither mail nor, for longer than its ctx and a moment, the shutdown.
func TestEvents_SubscriberThatBlocksHarmsNobody(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithEvents())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	block := make(chan struct{})
	b.System().EventStream.Subscribe(func(e any) {
		if _, ours := e.(*actors.Event); ours {
			<-block
		}
	})
	a := attach(t, b, alice)
	nobody := protocol.NewUserID([]byte("nobody"))
	for range 9 {
		a.do(func() {
			for range 1000 {
				a.link.Submit(&actors.Submission{To: nobody, Size: 1})
			}
		})
		a.do(func() {})
	}
	for b.Stats().EventsDropped == 0 {
		a.send(nobody, "x")
	}
	c := attach(t, b, bob)
	c.send(bob, "x")
	expect(t, c.next(), message(bob, bob, "x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	close(block)
}

// What has happened by the end of the broker is told before Shutdown returns, if the subscribers take no longer than its ctx.
func TestEvents_AreToldBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, newMemory(), actors.WithEvents())
		var told atomic.Int64
		b.System().EventStream.Subscribe(func(e any) {
			if _, ours := e.(*actors.Event); ours {
				time.Sleep(100 * time.Millisecond) // simulated
				told.Add(1)
			}
		})
		for i := range 10 {
			attach(t, b, login(t, b, fmt.Sprint("user", i)))
		}
		if err := shutdown(t, b); err != nil {
			t.Fatal(err)
		}
		if n := told.Load(); n != 20 {
			t.Errorf("told of %d events, want 20", n)
		}
	})
}
