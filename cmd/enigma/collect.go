package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

// collectHeadroom is how much garbage at least may come up between two collections, in bytes. As much again as what is
// alive, which is the runtime's rule, is next to nothing in a server that has just started: while thousands of users
// connect it would collect all the time, for an eighth of what they cost.
const collectHeadroom = 32 << 20

// collectLater has the collector keep to collectHeadroom while little is alive. With more than that alive it is left
// as it is, and so it is if the operator has set GOGC. What is kept longer for it is given back by freeWhenQuiet. When ctx
// has ended, GOGC stays where it is.
func collectLater(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := 100
	afterEachCollection(ctx, func() {
		runtimemetrics.Read(live)
		if p := collectPercent(live[0].Value.Uint64()); p != percent {
			percent = p
			debug.SetGCPercent(p)
		}
	})
	runtime.GC() // the first one says what is alive in a server without users
}

// collectPercent is GOGC for so many bytes alive, in steps, for each change stops the program for a moment.
func collectPercent(live uint64) int {
	switch {
	case live >= collectHeadroom:
		return 100
	case live >= collectHeadroom/2:
		return 200
	case live >= collectHeadroom/4:
		return 400
	}
	return 800
}

// afterEachCollection calls f once something that was made before it has been collected, again and again until ctx ends.
func afterEachCollection(ctx context.Context, f func()) {
	runtime.AddCleanup(new([4]uint64), func(f func()) {
		if ctx.Err() == nil {
			f()
			afterEachCollection(ctx, f)
		}
	}, f)
}
