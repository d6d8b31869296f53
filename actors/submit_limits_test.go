package actors_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// gauge notes the greatest number of envelopes in one Append.
type gauge struct {
	actors.Store
	most atomic.Int64
}

func (g *gauge) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	for n := g.most.Load(); int64(len(pending)) > n && !g.most.CompareAndSwap(n, int64(len(pending))); n = g.most.Load() {
	}
	return g.Store.Append(ctx, pending, errs)
}

// A sender who does not wait is refused past its credit and as much again; who waits is not. No more than the credit are
// under way.
func TestSubmit_IsBoundedPerSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		delivery := actors.DefaultDelivery()
		delivery.CreditMessages = 8
		count := &gauge{Store: store}
		b := newBroker(t, count, actors.WithDelivery(delivery))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		hold := make(chan struct{})
		store.Set(storetest.Fault{Hold: hold}, storetest.Append)
		outcomes := make(chan error, 100)
		for range 80 {
			b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "x"}, func(err error) { outcomes <- err })
		}
		for range 64 {
			if err := <-outcomes; actors.CodeOf(err) != protocol.CodeRateLimited {
				t.Fatalf("got %v", err)
			}
		}
		for range 20 {
			go func() { outcomes <- submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "x"}) }()
		}
		synctest.Wait() // all of them wait for credit
		close(hold)
		store.Heal()
		for range 16 + 20 {
			if err := <-outcomes; err != nil {
				t.Fatal(err)
			}
		}
		if n := b.Stats().Buffered; n != 0 {
			t.Fatalf("%d bytes are counted as buffered in the end", n)
		}
		if n := count.most.Load(); n > 8 {
			t.Fatalf("%d envelopes of the sender are stored at once", n)
		}
	})
}

// While the broker's memory is used up, who does not wait is refused, whoever it is; who waits is not.
func TestSubmit_IsBoundedByTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		b := newBroker(t, store, actors.WithMemory(20<<10))
		alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
		hold := make(chan struct{})
		store.Set(storetest.Fault{Hold: hold}, storetest.Append)
		outcomes := make(chan error, 3)
		large := strings.Repeat("x", 10<<10)
		for range 2 {
			go func() { outcomes <- submit(t, b, actors.Envelope{From: alice, To: bob, Payload: large}) }()
		}
		synctest.Wait()
		refused := make(chan error, 1)
		b.SubmitFunc(actors.Envelope{From: carol, To: bob, Payload: "x"}, func(err error) { refused <- err })
		if err := <-refused; actors.CodeOf(err) != protocol.CodeRateLimited {
			t.Errorf("over the memory: %v", err)
		}
		go func() { outcomes <- submit(t, b, actors.Envelope{From: carol, To: bob, Payload: "x"}) }()
		synctest.Wait()
		store.Heal()
		close(hold)
		for range 3 {
			if err := <-outcomes; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSubmit_ExpiresWithItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, newMemory())
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		for payload, ttl := range map[string]time.Duration{"short": time.Second, "long": 0} {
			if err := submit(t, b, actors.Envelope{From: alice, To: bob, Payload: payload, TTL: ttl}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		r := open(t, b, bob)
		m := receive(t, r)
		m.Confirm()
		synctest.Wait()
		go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "end"})
		if next := receive(t, r); m.Payload != "long" || next.Payload != "end" {
			t.Errorf("received %q and %q", m.Payload, next.Payload)
		}
	})
}
