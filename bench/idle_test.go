package bench_test

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
)

// idleUsers is how many users BenchmarkIdleUsers connects.
const idleUsers = 1_000_000

// BenchmarkIdleUsers is the memory of a million connected users who do nothing: their actors, with keys of 44 bytes, and
// what the broker keeps of their conns. The conns are in memory and as small as can be, for the front end's own are
// measured over sockets; sockets of a million users are more than one process may open on most machines.
func BenchmarkIdleUsers(b *testing.B) {
	for b.Loop() {
		broker := newBroker(b)
		conns := make([]memConn, idleUsers)
		loginAll(b, broker, conns)
		heap, rss := memoryInUse()
		for i := range conns {
			conns[i].shard = broker.ShardFor(conns[i].id)
			<-conns[i].attachTo(broker)
		}
		heapAfter, rssAfter := memoryInUse()
		b.ReportMetric(float64(heapAfter-heap)/idleUsers, "heap-B/user")
		if rss > 0 {
			b.ReportMetric(float64(rssAfter-rss)/idleUsers, "rss-B/user")
		}
		b.StopTimer()
		for i := range conns {
			conns[i].shard.Post(job(func() { conns[i].link.Detach() }))
		}
		b.StartTimer()
	}
}

// loginAll logs the users in, many at a time: a login waits for the store.
func loginAll(b *testing.B, broker *actors.Broker, conns []memConn) {
	const atOnce = 64
	var all sync.WaitGroup
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < len(conns); i += atOnce {
				conns[i].id = login(b, broker, i)
			}
		})
	}
	all.Wait()
}

// memoryInUse returns the bytes of the heap and of the process, the latter zero where it cannot be read.
func memoryInUse() (heap, rss int64) {
	runtime.GC()
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	heap = int64(stats.HeapAlloc)
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
		rss = pages * int64(os.Getpagesize())
	}
	return heap, rss
}
