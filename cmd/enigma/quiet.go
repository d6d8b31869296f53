package main

import (
	"context"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"

	"github.com/enigma-protocol/enigma/actors"
)

// When memory is given back to the system: after so long with next to no allocations, if there were many before.
const (
	quietAfter = 10 * time.Second
	quietBytes = 1 << 20
	busyBytes  = 16 << 20
)

// freeWhenQuiet gives memory back to the system when the server has come to rest, until ctx ends. The runtime would
// keep what the last burst needed: it returns memory only in step with its collections, and a server full of idle
// connections allocates nothing that would bring one about.
//
// The store, if it is one that rests, lets go of its caches first.
func freeWhenQuiet(ctx context.Context, store actors.Store) {
	allocated := []runtimemetrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	tick := time.NewTicker(quietAfter)
	defer tick.Stop()
	var last, freed uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		runtimemetrics.Read(allocated)
		now := allocated[0].Value.Uint64()
		if now-last < quietBytes && now-freed > busyBytes {
			if r, ok := store.(interface{ Rest(context.Context) error }); ok {
				r.Rest(ctx) // if it cannot, it says so itself, or says it to who asks for more than rest
			}
			runtime.GC() // what is in a sync.Pool goes at the second collection
			debug.FreeOSMemory()
			freed = now
		}
		last = now
	}
}
