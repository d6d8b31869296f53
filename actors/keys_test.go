package actors_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
)

// leisurely is a store that takes its time to write keys.
type leisurely struct{ actors.Store }

func (s leisurely) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	time.Sleep(600 * time.Millisecond) // its slowness
	return s.Store.PutKeys(ctx, keys, errs)
}

// Log-ins wait for a store that is slow but moves; they are not refused.
func TestLogin_WaitsForASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, leisurely{newMemory()})
		var all sync.WaitGroup
		for i := range 4000 { // in four calls or more
			all.Go(func() {
				if _, err := b.Login(context.Background(), fmt.Append(nil, "user ", i)); err != nil {
					t.Errorf("login: %v", err)
				}
			})
		}
		all.Wait()
	})
}

// Who looks a key up does not wait until those of others, who came first, are written; and finds a key whose login has
// been answered.
func TestKeys_DoNotWaitForLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, leisurely{newMemory()})
		alice := login(t, b, "alice")
		var all sync.WaitGroup
		post := func(which string) {
			for i := range 64 { // each persistence actor has some
				all.Go(func() {
					if _, err := b.Login(context.Background(), fmt.Append(nil, which, i)); err != nil {
						t.Errorf("login: %v", err)
					}
				})
			}
			time.Sleep(time.Millisecond) // so that these come before those that follow
		}
		post("first") // the store is at these while the others gather
		post("second")
		begin := time.Now()
		if _, err := b.PublicKey(context.Background(), alice); err != nil {
			t.Errorf("look up: %v", err)
		}
		if took := time.Since(begin); took > 600*time.Millisecond {
			t.Errorf("a key was looked up behind those who log in, in %v", took)
		}
		all.Wait()
	})
}
