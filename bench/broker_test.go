package bench_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
)

// BenchmarkBroker is the broker alone: users in pairs, connected in memory, answer each other with messages of 200 bytes
// until b.N have been delivered. An op is one message from submit to its receipt, with its share of the confirms (Pongs,
// or recv and ack) on the way. One user writes to itself.
func BenchmarkBroker(b *testing.B) {
	for _, profile := range []string{"plain", "v1"} {
		for _, users := range []int{1, 1000} {
			for _, flight := range []int{1, 16} {
				b.Run(fmt.Sprintf("profile=%s/users=%d/flight=%d", profile, users, flight), func(b *testing.B) {
					benchmarkBroker(b, 1, users, flight, profile == "v1")
				})
			}
		}
	}
}

// BenchmarkBrokerParallel is BenchmarkBroker with a shard per core: half of all messages or more go from one shard to
// another.
func BenchmarkBrokerParallel(b *testing.B) {
	shards := runtime.GOMAXPROCS(0)
	for _, flight := range []int{1, 16} {
		b.Run(fmt.Sprintf("shards=%d/users=1000/flight=%d", shards, flight), func(b *testing.B) {
			benchmarkBroker(b, shards, 1000, flight, false)
		})
	}
}

func benchmarkBroker(b *testing.B, shards, users, flight int, v1 bool) {
	conns := pairs(b, shards, users, v1)
	b.ReportAllocs()
	b.ResetTimer()
	begin := time.Now()
	converse(conns, flight, b.N)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "messages/s")
	detach(conns)
}

// TestBroker_AllocatesLittle holds what the benchmarks show: a message costs no allocation on the plain profile, and on
// v1 the two of what recognises its repeat.
func TestBroker_AllocatesLittle(t *testing.T) {
	if raceEnabled {
		return // it allocates
	}
	const messages = 100_000
	for name, most := range map[string]float64{"plain": 0.1, "v1": 2.1} {
		conns := pairs(t, 1, 2, name == "v1")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		converse(conns, 16, messages)
		runtime.ReadMemStats(&after)
		if got := float64(after.Mallocs-before.Mallocs) / messages; got > most {
			t.Errorf("%s: %.2f allocations per message, at most %.1f", name, got, most)
		}
		detach(conns)
	}
}

// pairs connects users in pairs, each of whom writes to the other.
func pairs(b testing.TB, shards, users int, v1 bool) []*memConn {
	broker := newBroker(b, actors.WithShards(shards))
	conns := make([]*memConn, users)
	for i := range conns {
		conns[i] = attach(broker, login(b, broker, i), v1)
		conns[i].peer = conns[i].id
	}
	for i := 0; i+1 < users; i += 2 {
		conns[i].peer, conns[i+1].peer = conns[i+1].id, conns[i].id
	}
	return conns
}

// converse has the pairs answer each other, with so many messages in flight per pair, until so many have been received: once.
func converse(conns []*memConn, flight, messages int) {
	var received atomic.Int64
	total := int64(messages)
	done := make(chan struct{})
	for _, c := range conns {
		c.receive = func(n int) int {
			now := received.Add(int64(n))
			if now >= total && now-int64(n) < total {
				close(done)
			}
			if now >= total {
				return 0
			}
			return n
		}
	}
	for i := 0; i < len(conns); i += 2 {
		conns[i].shard.Post(job(func() {
			conns[i].due += flight
			conns[i].post()
		}))
	}
	<-done
}

// detach ends the conns, so that the shutdown has nobody to wait for.
func detach(conns []*memConn) {
	for _, c := range conns {
		gone := make(chan struct{})
		c.shard.Post(job(func() {
			c.link.Detach()
			close(gone)
		}))
		<-gone
	}
}
