package scale_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// TestSlowReaders_CostBoundedMemory writes to thousands of users who are connected and never read, or read a byte now and
// then. The server's memory stays bounded, others talk on as before, and when those come again and read, everything is
// there. With more on its way than the budget holds, the server stops to read for a while, from everybody.
func TestSlowReaders_CostBoundedMemory(t *testing.T) {
	t.Parallel()
	type form struct{ budget, readers, each, window int }
	budget, readers, each := enigmatest.Pick(16, 128), enigmatest.Pick(1000/slowdown, 10_000), enigmatest.Pick(80, 100)
	forms := map[string]form{ // an outbox with anything in it takes a KiB or more
		"within the budget": {budget, readers, each, budget << 20 / 3000},
		"beyond the budget": {budget, readers, each, budget << 20 / 700},
	}
	if enigmatest.Soak {
		forms["with less than two KiB for each"] = form{16, readers, 20, 20_000}
	}
	for name, test := range forms {
		t.Run(name, func(t *testing.T) { writeToSlow(t, test.budget, test.readers, test.each, test.window) })
	}
}

// writeToSlow is the test with so many messages on their way at a time, and a budget in MiB.
func writeToSlow(t *testing.T, slowBudget, readers, each, window int) {
	const senders = 16
	redis := redistest.Start(t) // whose memory is not the server's
	s := enigmatest.Start(t, append([]string{"--store", redis.URL(), "--memory", fmt.Sprintf("%dMiB", slowBudget)}, roomy...)...)
	c := newCrowd(t, s, "slow", readers+senders)
	c.size = 1000
	slow := connectSlow(t, s, c.members[senders:])
	c.connect(s, 0, senders, senders)
	await(t, "the slow ones are attached", func() (float64, bool) {
		n := s.Metric("enigma_connections")
		return n, n == float64(readers+senders)
	})
	const talking = 100
	if calm := converse(t, s, talking, 500, time.Second); calm != nil {
		l := calm.Step("messages").Latency
		t.Logf("others before: %d messages, p50 %.1f ms, p99 %.1f ms", calm.Received, l.P50/1e3, l.P99/1e3)
	}
	before, watch := s.Memory(), s.WatchMemory()
	watchBuffered := s.Watch(func() float64 { return s.Metric("enigma_buffered_bytes") / (1 << 20) })
	quit, sipping := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sipping)
		sip(slow[:readers/2], quit)
	}()
	others := make(chan *load.Result, 1)
	go func() { others <- converse(t, s, talking, 500, enigmatest.Pick(3*time.Second, 30*time.Second)) }()
	await(t, "the others are attached", func() (float64, bool) {
		n := s.Metric("enigma_connections")
		return n, n == float64(readers+senders+talking)
	})

	mustEach(t, senders, senders, func(i int) error { return c.feed(i, senders, each, window) })
	await(t, "all mail to them is acknowledged", func() (float64, bool) {
		n := c.answered.Load()
		return float64(n), n == c.sent.Load()
	})
	if r := <-others; r != nil {
		l := r.Step("messages").Latency
		t.Logf("others meanwhile: %d messages, p50 %.1f ms, p99 %.1f ms", r.Received, l.P50/1e3, l.P99/1e3)
		if err := r.Err(); err != nil {
			t.Errorf("others were harmed: %v", err)
		}
	}
	close(quit)
	<-sipping
	buffered, most := watchBuffered(), watch()
	t.Logf("%d messages to %d who do not read; memory: %.0f MiB before, %.0f MiB at most; buffered at most: %.1f MiB",
		c.sent.Load(), readers, before, most, buffered)
	// Reading stops at a quarter above the budget; what was read in that turn comes on top.
	if buffered > 1.5*float64(slowBudget) {
		t.Errorf("%.1f MiB were buffered, with a budget of %d MiB", buffered, slowBudget)
	}
	// What the collector has not taken yet comes on top, and 40 bytes for each message that was sent and not confirmed.
	if grown := most - before; grown > float64(slowdown*(4*slowBudget+64+readers/100)) {
		t.Errorf("the server grew by %.0f MiB with a budget of %d MiB", grown, slowBudget)
	}
	for _, conn := range slow {
		conn.Reset()
	}
	c.connect(s, senders, senders+readers, atOnce)
	await(t, "those who were slow have got what was stored", func() (float64, bool) {
		n := c.drained.Load()
		return float64(n) + float64(c.book.Judge().Count.Delivered), n == int64(readers+senders)
	})
	c.judge(true)
}

// connectSlow connects members, and does not read.
func connectSlow(t testing.TB, s *enigmatest.Server, members []*member) []*wire.Conn {
	t.Helper()
	conns := make([]*wire.Conn, len(members))
	mustEach(t, len(members), atOnce, func(i int) (err error) {
		dialer := wire.Dialer{From: source(), Buffer: 16, Receive: 1 << 10}
		if conns[i], err = dialer.Dial(s.Addr, "/ws/"+members[i].id); err == nil {
			t.Cleanup(conns[i].End)
		}
		return err
	})
	return conns
}

// sip reads a byte of each, about once a second, until quit is closed.
func sip(conns []*wire.Conn, quit <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		for _, conn := range conns {
			conn.Sip()
		}
	}
}

// feed has a sender write messages to every so many-th of those who are no senders, with no more than a window of messages
// without an answer among all.
func (c *crowd) feed(i, senders, each, window int) error {
	for n := range each {
		for to := senders + i; to < len(c.members); to += senders {
			for begin := time.Now(); c.sent.Load()-c.answered.Load() > int64(window); time.Sleep(time.Millisecond) {
				if time.Since(begin) > within {
					return fmt.Errorf("after %d rounds nothing is acknowledged any more", n)
				}
			}
			if err := c.members[i].send(c.members[to].id, fmt.Sprintf("%d-%d", i, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// converse has users talk in pairs at a fixed rate, and returns how that went; nil if it could not be done, which fails
// the test.
func converse(t testing.TB, s *enigmatest.Server, users int, rate float64, lasts time.Duration) *load.Result {
	cfg := load.Defaults()
	cfg.Mode, cfg.Server, cfg.PID = load.Pairs, s.URL(""), s.Pid()
	cfg.Users, cfg.Rate, cfg.Duration, cfg.Patience = users, rate, lasts, within
	r, err := load.Run(context.Background(), cfg)
	if err != nil {
		t.Errorf("others could not talk: %v", err)
		return nil
	}
	return r
}
