package scale_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// drip is a connection that does not come to the point: it says how far it goes, and then a byte now and then.
type drip struct {
	nc    net.Conn
	rest  []byte // what a byte of is written now and then
	ended bool
}

// lingering are the ways in which a client keeps a connection without being of use: each writes what begins it, and
// returns what it drips.
var lingering = map[string]func(nc net.Conn, addr, id string) (rest []byte, err error){
	"silence": func(net.Conn, string, string) ([]byte, error) { return nil, nil },
	"request line": func(nc net.Conn, _, _ string) ([]byte, error) {
		_, err := nc.Write([]byte("GET /conn"))
		return endless('a'), err
	},
	"headers": func(nc net.Conn, addr, id string) ([]byte, error) {
		_, err := fmt.Fprintf(nc, "GET /ws/%s HTTP/1.1\r\nHost: %s\r\nX-A: ", id, addr)
		return endless('b'), err
	},
	"body": func(nc net.Conn, addr, _ string) ([]byte, error) {
		_, err := fmt.Fprintf(nc, "POST /login HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n{", addr)
		return endless(' '), err
	},
	"no proof": func(nc net.Conn, addr, id string) ([]byte, error) {
		return nil, upgrade(nc, addr, id, "Sec-WebSocket-Protocol: enigma.v1\r\n")
	},
}

// framing are those that are upgraded and begin a message.
var framing = map[string]func(nc net.Conn, addr, id string) (rest []byte, err error){
	"frame": func(nc net.Conn, addr, id string) ([]byte, error) {
		if err := upgrade(nc, addr, id, ""); err != nil {
			return nil, err
		}
		_, err := nc.Write([]byte{0x81, 0xfe, 0x40, 0x00, 1, 2, 3, 4}) // a text of 16 KiB, masked
		return endless('c'), err
	},
	"half a header": func(nc net.Conn, addr, id string) ([]byte, error) {
		if err := upgrade(nc, addr, id, ""); err != nil {
			return nil, err
		}
		_, err := nc.Write([]byte{0x81})
		return nil, err
	},
	"fragments": func(nc net.Conn, addr, id string) ([]byte, error) {
		if err := upgrade(nc, addr, id, ""); err != nil {
			return nil, err
		}
		_, err := nc.Write([]byte{0x01, 0x81, 0, 0, 0, 0, 'x'})     // a first fragment
		return []byte{0x00, 0x81, 0, 0, 0, 0, 'y', 0x00, 0x81}, err // and more, byte by byte
	},
}

func endless(b byte) []byte {
	rest := make([]byte, 1000)
	for i := range rest {
		rest[i] = b
	}
	return rest
}

// upgrade makes a WebSocket by hand, and leaves what comes on it unread.
func upgrade(nc net.Conn, addr, id, headers string) error {
	_, err := fmt.Fprintf(nc, "GET /ws/%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", id, addr, headers)
	if err != nil {
		return err
	}
	status := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(nc, status); err != nil || string(status) != "HTTP/1.1 101" {
		return fmt.Errorf("the upgrade was answered %q, %w", status, err)
	}
	return nil
}

// linger opens n connections of each of the ways. They end with the test.
func linger(t testing.TB, s *enigmatest.Server, ways map[string]func(net.Conn, string, string) ([]byte, error), n int, ids []string) (all []*drip) {
	t.Helper()
	var mu sync.Mutex
	for name, begin := range ways {
		mustEach(t, n, atOnce, func(i int) error {
			dialer := net.Dialer{Timeout: within, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source())}}
			nc, err := dialer.Dial("tcp", s.Addr)
			if err != nil {
				return err
			}
			rest, err := begin(nc, s.Addr, ids[i])
			if err != nil {
				nc.Close()
				return fmt.Errorf("%s: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, &drip{nc: nc, rest: rest})
			return nil
		})
	}
	t.Cleanup(func() {
		for _, d := range all {
			_ = d.nc.Close() // closed already is as good
		}
	})
	return all
}

// awaitCut writes a byte to each of the connections now and then, until the server has ended them all.
func awaitCut(t testing.TB, all []*drip) {
	t.Helper()
	begin := time.Now()
	buf := make([]byte, 4096)
	left, ended := len(all), 0
	await(t, "all of them are cut", func() (float64, bool) {
		for _, d := range all {
			if d.ended {
				continue
			}
			if len(d.rest) > 0 && mathrand.IntN(20) == 0 {
				_, _ = d.nc.Write(d.rest[:1]) // what is broken is read
				d.rest = d.rest[1:]
			}
			_ = d.nc.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
			if _, err := d.nc.Read(buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				d.ended = true
				_ = d.nc.Close()
				ended++
			}
		}
		time.Sleep(100 * time.Millisecond)
		return float64(ended), ended == left
	})
	t.Logf("%d connections were cut within %s", left, time.Since(begin).Round(time.Millisecond))
}

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
	const several = 8
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
				dialer := net.Dialer{Timeout: within, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source())}}
				nc, err := dialer.Dial("tcp", s.Addr)
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
// with what it is when the same is done to another server beside it.
func TestSlowloris_DelaysNobody(t *testing.T) {
	s, other := enigmatest.Start(t), enigmatest.Start(t)
	each := enigmatest.Pick(2000/slowdown, 5000) / (len(lingering) + len(framing))
	keys := provable(each)
	ids := loginKeys(t, s, keys)
	loginKeys(t, other, keys)
	users, rate, lasts := enigmatest.Pick(200, 1000), enigmatest.Pick(1000.0, 2000.0), enigmatest.Pick(2*time.Second, 10*time.Second)
	before, watch := s.Memory(), s.WatchMemory()
	measure := func(victim *enigmatest.Server) float64 {
		all := append(linger(t, victim, lingering, each, ids), linger(t, victim, framing, each, ids)...)
		stop := pester(victim, ids[0], enigmatest.Pick(200, 1000))
		result := p99(t, converse(t, s, users, rate, lasts))
		t.Logf("p99 %.2f ms with %d slow connections and %d bad handshakes, to this server: %t", result, len(all), stop(), victim == s)
		for _, d := range all {
			_ = d.nc.Close()
		}
		return result
	}
	for left := 4; ; left-- {
		without, with := measure(other), measure(s)
		if with <= 2*without {
			break
		}
		if left == 0 {
			t.Errorf("the p99 of those who talk was %.2f ms without and %.2f ms with those who are slow", without, with)
			break
		}
	}
	most := watch()
	t.Logf("memory: %.0f MiB before, %.0f MiB at most", before, most)
	if per := (most - before) * 1024 / float64(each*(len(lingering)+len(framing))+users); per > 64*slowdown*slowdown {
		t.Errorf("%.0f KiB for each slow connection", per)
	}
}

// TestSlowloris_IsCut has the server's own timeouts end such connections, however much they drip.
func TestSlowloris_IsCut(t *testing.T) {
	t.Parallel() // it mostly waits
	s := enigmatest.Start(t)
	each := enigmatest.Pick(400, 5000) / (len(lingering) + len(framing))
	ids := loginKeys(t, s, provable(each))
	files := s.OpenFiles()
	awaitCut(t, append(linger(t, s, lingering, each, ids), linger(t, s, framing, each, ids)...))
	await(t, "the server has no more files open than before", func() (float64, bool) {
		n := s.OpenFiles()
		return float64(n), n <= files+slack
	})
	if n := s.Metric("enigma_connections"); n != 0 {
		t.Errorf("the server says that %.0f connections are attached", n)
	}
	if n := s.Metric(`enigma_errors_total{code="PROOF_REQUIRED"}`); int(n) != each {
		t.Errorf("%.0f were told that they had to prove their key, want %d", n, each)
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
