package transport

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

func TestRateTable_RefillsAndForgets(t *testing.T) {
	table := rateTable{rate: 4, young: map[netip.Addr]time.Duration{}}
	addr := netip.MustParseAddr("192.0.2.1")
	now := time.Hour
	spend := func() (n int) {
		for table.allow(addr, now) {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		later time.Duration
		want  int
	}{{0, 4}, {0, 0}, {250 * time.Millisecond, 1}, {600 * time.Millisecond, 2}, {time.Minute, 4}, {999 * time.Millisecond, 3}, {time.Second, 4}} {
		now += tt.later
		if got := spend(); got != tt.want {
			t.Errorf("%v later: %d, want %d", tt.later, got, tt.want)
		}
	}
	now += 2 * time.Second
	table.allow(netip.MustParseAddr("192.0.2.2"), now)
	now += 2 * time.Second
	table.allow(netip.MustParseAddr("192.0.2.2"), now)
	if len(table.young)+len(table.old) != 2 {
		t.Errorf("%d and %d addresses are remembered", len(table.young), len(table.old))
	}
}

func TestRateTable_IsBounded(t *testing.T) {
	table := rateTable{rate: 2, young: map[netip.Addr]time.Duration{}}
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxRateSources {
		if !table.allow(addr(i), time.Second) {
			t.Fatal("refused")
		}
	}
	allowed := 0
	for i := range 1000 {
		if table.allow(addr(maxRateSources+i), time.Second) {
			allowed++
		}
	}
	if allowed != 2 || len(table.young) > maxRateSources+1 {
		t.Errorf("%d allowed, %d remembered", allowed, len(table.young))
	}
	if !table.allow(addr(0), time.Second) {
		t.Error("a source that was known is refused")
	}
}

func TestConnCounts_ForgetsSourcesWithoutConnections(t *testing.T) {
	table := connCounts{limit: 2, counts: map[netip.Addr]*connCount{}}
	addr := netip.MustParseAddr("192.0.2.1")
	a, b := table.acquire(addr), table.acquire(addr)
	if a == nil || b == nil || table.acquire(addr) != nil || !table.full(addr) {
		t.Fatal("not two")
	}
	table.release(a)
	if table.full(addr) {
		t.Error("still full")
	}
	table.release(b)
	table.release(nil)
	if len(table.counts) != 0 {
		t.Error("still remembered")
	}
}

// scarce is a listener that runs out of file descriptors.
type scarce struct {
	net.Listener
	errs []error
}

func (l *scarce) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Err: err}
}

func (l *scarce) Close() error { return nil }

func TestListener_OutlivesAShortage(t *testing.T) {
	var log bytes.Buffer
	server := &Server{starved: spell{log: slog.New(slog.NewTextHandler(&log, nil)), begin: "begins", end: "ends"}}
	l := &listener{Listener: &scarce{errs: []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.ENFILE, net.ErrClosed}}, server: server, closed: make(chan struct{})}
	if _, err := l.Accept(); err == nil || shortage(err) {
		t.Errorf("it ended with %v", err)
	}
	if n := server.Stats().AcceptPauses; n != 2 {
		t.Errorf("%d pauses are counted, want 2", n)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || server.starved.count != 2 {
		t.Errorf("two shortages, %d noted, and the log says:\n%s", server.starved.count, &log)
	}
	l = &listener{Listener: &scarce{errs: []error{syscall.EMFILE}}, server: server, closed: make(chan struct{})}
	l.Close()
	if _, err := l.Accept(); !shortage(err) {
		t.Errorf("it ended with %v", err)
	}
	server.starved.stop()
}

func TestSpell_IsToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &spell{log: slog.New(slog.NewTextHandler(&log, nil)), begin: "it begins", end: "it is over"}
		lines := func(want ...string) {
			t.Helper()
			s.mu.Lock() // held over each line
			defer s.mu.Unlock()
			got := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(got) != len(want) {
				t.Fatalf("the log says\n%s\nwant %q", &log, want)
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("line %d is %q, want %q", i, got[i], want[i])
				}
			}
		}
		for range 10 {
			s.meet("why", "because")
			time.Sleep(spellQuiet * 2 / 3)
		}
		lines("it begins\" why=because")
		time.Sleep(spellQuiet + 1)
		lines("it begins", "it is over\" after=18s times=10")
		s.meet()
		s.stop()
		time.Sleep(2 * spellQuiet)
		lines("it begins", "it is over", "it begins")
	})
}

func TestRefuse_AnswersInJSON(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var r refusals
	r.refuse(nc, protocol.CodeStoreUnavailable, retryStore)
	defer r.end()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), `"code":"STORE_UNAVAILABLE"`) {
		t.Errorf("%v %s", resp, body)
	}
}
