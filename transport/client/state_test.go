package client_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/enigma-protocol/enigma/transport/client"
)

func TestStateFunc_TellsWhenTheConnectionIsLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		var mu sync.Mutex
		var states []bool
		c, p := f.dial(alice, client.WithStateFunc(func(connected bool) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, connected)
		}))
		p.cut()
		f.acceptReady()
		synctest.Wait()
		mu.Lock()
		got := slices.Clone(states)
		mu.Unlock()
		if !slices.Equal(got, []bool{false, true}) {
			t.Errorf("told %v", got)
		}
		finish(t, c)
		stop()
	})
	if _, err := client.Dial(t.Context(), "http://127.0.0.1:1", alice, client.WithStateFunc(nil)); err == nil {
		t.Error("nil was accepted")
	}
}
