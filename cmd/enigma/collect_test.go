package main

import (
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"testing"
	"time"
)

// gcPercent returns what GOGC stands at.
func gcPercent() int {
	at := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}}
	runtimemetrics.Read(at)
	return int(at[0].Value.Uint64())
}

// awaitPercent collects until GOGC is as wanted.
func awaitPercent(t *testing.T, what string, want func(percent int) bool) {
	t.Helper()
	for begin := time.Now(); !want(gcPercent()); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%s: GOGC is at %d", what, gcPercent())
		}
		runtime.GC()
	}
}

func TestCollectLater(t *testing.T) {
	t.Setenv("GOGC", "")
	debug.FreeOSMemory() // what other tests have left
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	collectLater(t.Context()) // which ends before the next test begins
	awaitPercent(t, "with little alive", func(percent int) bool { return percent > 100 })
	much := make([]byte, collectHeadroom)
	awaitPercent(t, "with much alive", func(percent int) bool { return percent == 100 })
	runtime.KeepAlive(much)
	awaitPercent(t, "with little alive again", func(percent int) bool { return percent > 100 })
}

func TestCollectLater_LeavesItToTheOperator(t *testing.T) {
	t.Setenv("GOGC", "50")
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	collectLater(t.Context())
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if got := gcPercent(); got != 50 {
		t.Errorf("GOGC is at %d", got)
	}
}

// However little is alive, no less garbage comes up between two collections than the headroom, and not much more.
func TestCollectPercent(t *testing.T) {
	for live := uint64(4 << 20); live < 4*collectHeadroom; live += 1 << 20 {
		garbage := live * uint64(collectPercent(live)) / 100
		if garbage < collectHeadroom || garbage > max(live, 2*collectHeadroom) {
			t.Errorf("with %d MiB alive %d MiB of garbage", live>>20, garbage>>20)
		}
	}
}
