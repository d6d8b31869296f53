package scale_test

import (
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// provable returns keys of which possession can be proved. The kind with the least to compute will do.
func provable(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		var raw [32]byte
		_, _ = rand.Read(raw[:])
		raw[31] &= 0x7f // as of every number below the curve's prime
		keys[i] = "x25519:" + base64.RawURLEncoding.EncodeToString(raw[:])
	}
	return keys
}

// badHandshakes are requests that come to nothing, on connections of their own.
func badHandshakes(addr, id string) []string {
	upgrade := "GET /ws/" + id + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	return []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET / HTTP/9.9\r\n\r\n",
		upgrade + "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
		upgrade + "Sec-WebSocket-Version: 13\r\n\r\n",
		"GET /ws/nobody HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: " + addr + "\r\nContent-Length: 99999999\r\n\r\n",
	}
}

// pester makes bad handshakes, about so many a second, until stop is called, which returns how many.
func pester(s *enigmatest.Server, id string, rate int) (stop func() int64) {
	var count atomic.Int64
	quit, bad := make(chan struct{}), badHandshakes(s.Addr, id)
	var running sync.WaitGroup
	several := time.Duration(rate / 20) // each of them waits 100 ms for some of the answers
	for range several {
		running.Go(func() {
			tick := time.NewTicker(several * time.Second / time.Duration(rate))
			defer tick.Stop()
			for {
				select {
				case <-quit:
					return
				case <-tick.C:
				}
				nc, err := dial(s)
				if err != nil {
					continue
				}
				_, _ = nc.Write([]byte(bad[mathrand.IntN(len(bad))])) // who is refused at once may get an error
				_ = nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				_, _ = nc.Read(make([]byte, 512))
				_ = nc.Close()
				count.Add(1)
			}
		})
	}
	return func() int64 {
		close(quit)
		running.Wait()
		return count.Load()
	}
}

// TestSlowloris_DelaysNobody has users talk on one server while thousands of connections to it never come to the point
// and handshakes that are none flood it. What that takes of the machine is not the server's fault: their p99 is compared
// with that of as many who talk on another server beside it at the same time, several times, and the medians decide.
func TestSlowloris_DelaysNobody(t *testing.T) {
	s, calm := enigmatest.Start(t), enigmatest.Start(t)
	ids := loginKeys(t, s, provable(enigmatest.Pick(2000/slowdown, 5000)))
	users, rate, lasts := enigmatest.Pick(200, 1000), enigmatest.Pick(1000.0, 2000.0), enigmatest.Pick(2*time.Second, 10*time.Second)
	talk := func() (onCalm, onSlow float64) {
		beside := make(chan *load.Result, 1)
		go func() { beside <- converse(t, calm, users, rate, lasts) }()
		here := converse(t, s, users, rate, lasts)
		return p99(t, <-beside), p99(t, here)
	}
	a, b := talk()
	t.Logf("p99 %.2f and %.2f ms before", a, b)

	before, watch := s.Memory(), s.WatchMemory()
	slow, begun := linger(t, s, ids, true), time.Now()
	often := enigmatest.Pick(200, 1000)
	stop := sync.OnceValue(pester(s, ids[0], often))
	t.Cleanup(func() { stop() })
	// Some milliseconds are what a busy machine makes by itself, and more where the tests of other packages run beside.
	c := comparison{pairs: enigmatest.Pick(5, 7), factor: 2, floor: enigmatest.Pick(20.0, 5.0)}
	harmless, settled := false, false
	for !settled {
		without, with := talk()
		c.without, c.with = append(c.without, without), append(c.with, with)
		harmless, settled = c.verdict()
		t.Logf("p99 %.2f ms without and %.2f ms with %d slow connections", without, with, slow.count())
		await(t, "most of those that were cut have come again", func() (float64, bool) {
			n := slow.count()
			return float64(n), n >= len(ids)*4/5
		})
	}
	bad := float64(stop()) / time.Since(begun).Seconds()
	t.Logf("%.0f bad handshakes a second of %d", bad, often)
	if bad < float64(often)/10 {
		t.Error("that is no flood")
	}
	if !harmless {
		t.Errorf("the p99 of those who talk was %.2f ms without and %.2f ms with those who are slow", c.without, c.with)
	}
	most := watch()
	t.Logf("memory: %.0f MiB before, %.0f MiB at most", before, most)
	if per := (most - before) * 1024 / float64(len(ids)+users); per > 64*slowdown*slowdown {
		t.Errorf("%.0f KiB for each slow connection", per)
	}
}

// TestSlowloris_IsCut has the server's own timeouts end such connections, however much they drip, each when its time is
// over.
func TestSlowloris_IsCut(t *testing.T) {
	t.Parallel() // it mostly waits
	s := enigmatest.Start(t)
	ids := loginKeys(t, s, provable(enigmatest.Pick(400, 5000)))
	files := s.OpenFiles()
	slow := linger(t, s, ids, false)
	await(t, "all of them are cut", func() (float64, bool) {
		n := slow.count()
		return float64(n), n == 0
	})
	slow.judge(t, len(ids)/len(slownesses))
	await(t, "the server has no more files open than before", func() (float64, bool) {
		n := s.OpenFiles()
		return float64(n), n <= files+slack
	})
	if n := s.Metric("enigma_connections"); n != 0 {
		t.Errorf("the server says that %.0f connections are attached", n)
	}
	if n := s.Metric(`enigma_errors_total{code="PROOF_REQUIRED"}`); int(n) != len(ids)/len(slownesses) {
		t.Errorf("%.0f were told that they had to prove their key, want %d", n, len(ids)/len(slownesses))
	}
}

// How much before its time is over a connection may be cut, for the reading of clocks, and how much later: the server
// gives a WebSocket a second more to close, and a busy machine is late.
const (
	early = time.Second
	late  = 15 * time.Second
)

// judge looks at how long the connections have lasted that the server has ended, so many of each kind.
func (l *loiterers) judge(t testing.TB, each int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range slownesses {
		lasted := l.lasted[kind.name]
		if len(lasted) != each {
			t.Errorf("%s: %d were cut, want %d", kind.name, len(lasted), each)
			continue
		}
		first, last := slices.Min(lasted), slices.Max(lasted)
		t.Logf("%s: %d were cut after %.1f to %.1f s of %s", kind.name, each, first.Seconds(), last.Seconds(), kind.allowed)
		if first < kind.allowed-early || last > kind.allowed+late {
			t.Errorf("%s: cut after %s to %s, want about %s", kind.name, first, last, kind.allowed)
		}
	}
}

// p99 returns a latency in milliseconds, and fails the test if anything went wrong.
func p99(t testing.TB, r *load.Result) float64 {
	t.Helper()
	if r == nil {
		t.FailNow()
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	return r.Step("messages").Latency.P99 / 1e3
}
