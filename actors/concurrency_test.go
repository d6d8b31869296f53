package actors_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Everything that is for any goroutine is called from many at once, and in the middle of it the broker shuts down, twice
// at a time. Every call comes back, every submission has one outcome, and what was said to be safe is there afterwards
// unless somebody has confirmed it.
func TestBroker_IsForAnyGoroutine(t *testing.T) {
	store := newMemory()
	b := newBroker(t, store, actors.WithShards(2), actors.WithEvents())
	const users = 8
	ids := make([]protocol.UserID, users)
	for i := range ids {
		ids[i] = login(t, b, fmt.Sprint("user", i))
	}
	var mu sync.Mutex
	safe, seen := map[string]bool{}, map[string]bool{}
	var handed, settled, good atomic.Int64
	enough := make(chan struct{}) // closed when so many are good that all of it has been going on for a while
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	for i := range users {
		work.Go(func() { // a sender
			for n := 0; ctx.Err() == nil; n++ {
				e := actors.Envelope{From: ids[i], To: ids[n%users], Payload: fmt.Sprintf("%d/%d", i, n)}
				record := func(err error) {
					settled.Add(1)
					if err == nil {
						if good.Add(1) == 2000 {
							close(enough)
						}
						mu.Lock()
						safe[e.Payload] = true
						mu.Unlock()
					}
				}
				handed.Add(1)
				if n%2 == 0 {
					record(b.Submit(ctx, e))
				} else {
					b.SubmitFunc(e, record)
				}
			}
		})
		work.Go(func() { // a receiver that comes and goes
			for n := 0; ctx.Err() == nil; n++ {
				s, err := b.Connect(ctx, ids[i], actors.ReceiverOptions{})
				if err != nil {
					continue
				}
				for range 50 {
					m, err := s.Receive(ctx)
					if err != nil {
						break
					}
					mu.Lock()
					seen[m.Payload] = true
					mu.Unlock()
					m.Confirm()
				}
				s.Close()
				<-s.Done()
			}
		})
		work.Go(func() { // others
			for ctx.Err() == nil {
				b.Login(ctx, fmt.Append(nil, "user", i))
				b.PublicKey(ctx, ids[i])
				b.KeyToProve(ctx, ids[i])
				b.Stats()
			}
		})
	}
	<-enough
	down := make(chan error, 2)
	for range 2 {
		go func() { down <- shutdown(t, b) }()
	}
	for range 2 {
		if err := <-down; err != nil {
			t.Error(err)
		}
	}
	stop()
	work.Wait()
	if handed.Load() != settled.Load() {
		t.Errorf("%d envelopes were submitted, %d have an outcome", handed.Load(), settled.Load())
	}
	if err := b.Submit(t.Context(), actors.Envelope{}); actors.CodeOf(err) != protocol.CodeStoreUnavailable || errors.Is(err, persistence.ErrUnknownOutcome) {
		t.Errorf("submitted after the end: %v", err)
	}
	for _, payload := range rest(t, store, ids) {
		seen[payload] = true
	}
	for payload := range safe {
		if !seen[payload] {
			t.Errorf("%s was safe, and is nowhere", payload)
		}
	}
}

// rest returns what a store has for users.
func rest(t *testing.T, store actors.Store, ids []protocol.UserID) (payloads []string) {
	for _, id := range ids {
		pages := make([]persistence.Page, 1)
		request := persistence.ReadRequest{User: id, Count: 100_000, Bytes: 1 << 30}
		if err := store.Read(t.Context(), []persistence.ReadRequest{request}, pages); err != nil || pages[0].Err != nil {
			t.Fatal(err, pages[0].Err)
		}
		for _, p := range pages[0].Pending {
			payloads = append(payloads, string(p.Payload))
		}
	}
	return payloads
}

// Shutdown while others wait for it: they hear the same, or give up by themselves.
func TestShutdown_OthersWaitAsLongAsTheyLike(t *testing.T) {
	b := newBroker(t, newMemory())
	c := attach(t, b, login(t, b, "bob"))
	held := make(chan struct{})
	c.shard.Post(job(func() { <-held }))
	first := make(chan error, 1)
	go func() { first <- shutdown(t, b) }()
	for b.Ready(t.Context()) == nil { // until the shutdown has begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("meanwhile: %v", err)
	}
	var outcome error
	b.SubmitFunc(actors.Envelope{From: c.id, To: c.id}, func(err error) { outcome = err }) // refused, and so at once
	if actors.CodeOf(outcome) != protocol.CodeStoreUnavailable || errors.Is(outcome, persistence.ErrUnknownOutcome) {
		t.Errorf("submitted meanwhile: %v", outcome)
	}
	close(held)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := b.Shutdown(ctx); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
