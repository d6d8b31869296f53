package scale_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// abuses are the ways in which connections are made that are of no use.
var abuses = map[string]func(nc *net.TCPConn){
	"drop":    func(*net.TCPConn) {},
	"garbage": func(nc *net.TCPConn) { _, _ = nc.Write([]byte("\x00\x01garbage\r\n\r\n")) },
	"reset":   func(nc *net.TCPConn) { _ = nc.SetLinger(0) },
	"half": func(nc *net.TCPConn) {
		_, _ = nc.Write([]byte("GET /"))
		_ = nc.CloseWrite()
	},
	"upgrade and reset": func(nc *net.TCPConn) {
		_, _ = nc.Write([]byte("GET /ws/nobody HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
		_ = nc.SetLinger(0)
	},
}

// TestFlood_OfConnectionsHarmsNobody makes connections that are of no use, as fast as it goes, while others talk.
func TestFlood_OfConnectionsHarmsNobody(t *testing.T) {
	t.Parallel()
	s := enigmatest.Start(t)
	total := enigmatest.Pick(5000/slowdown, 200_000)
	converse(t, s, 50, 200, time.Second)
	files, goroutines := s.OpenFiles(), s.Metric("go_goroutines")
	var flooding sync.WaitGroup
	for name, abuse := range abuses {
		flooding.Go(func() {
			if err := each(total/len(abuses), 8, func(int) error { return waste(s, abuse) }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	var results []*load.Result
	flooded := make(chan struct{})
	go func() { flooding.Wait(); close(flooded) }()
	for over := false; !over; {
		if r := converse(t, s, 50, 200, enigmatest.Pick(time.Second, 5*time.Second)); r != nil {
			results = append(results, r)
			if err := r.Err(); err != nil {
				t.Errorf("others were harmed: %v", err)
			}
		}
		select {
		case <-flooded:
			over = true
		default:
		}
	}
	t.Logf("%d connections of no use; others meanwhile: p99 %.1f ms", total, p99(t, results[0]))
	await(t, "no connection is left", func() (float64, bool) {
		n := s.OpenFiles()
		return float64(n), n <= files+slack
	})
	if enigmatest.Soak { // the front end's workers wait ten seconds for more work
		await(t, "no goroutine is left", func() (float64, bool) {
			n := s.Metric("go_goroutines")
			return n, n < goroutines+10
		})
	}
}

// waste makes one such connection.
func waste(s *enigmatest.Server, abuse func(*net.TCPConn)) error {
	nc, err := dial(s)
	if err != nil {
		return err
	}
	abuse(nc)
	return nc.Close()
}

func dial(s *enigmatest.Server) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: within, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source())}}
	nc, err := dialer.Dial("tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	return nc.(*net.TCPConn), nil
}

// ask sends a request for the status on a connection, as from somewhere else, and returns the status.
func ask(nc net.Conn, from string) (int, error) {
	_ = nc.SetDeadline(time.Now().Add(within))
	// What refuses a connection does not read its request first: the write may fail, and the answer is there.
	_, _ = fmt.Fprintf(nc, "GET /version HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\n\r\n", from)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// TestFlood_MoreThanMaxConns makes more connections than there may be. Those over the limit are told so, those inside go
// on, and when some have left there is room again; the log has a line when it begins and one when it is over.
func TestFlood_MoreThanMaxConns(t *testing.T) {
	t.Parallel() // it waits for the end of the shortage
	const limit = 100
	s := enigmatest.Start(t, "--max-conns", fmt.Sprint(limit))
	c := newCrowd(t, s, "inside", limit/2)
	c.connect(s, 0, limit/2, limit/2)
	await(t, "only they are connected", func() (float64, bool) {
		conns, goroutines := s.Metric("enigma_connections"), s.Metric("go_goroutines")
		return conns - goroutines, conns == limit/2
	})
	conns := make([]*net.TCPConn, 3*limit)
	statuses := map[int]int{}
	for i := range conns {
		var err error
		if conns[i], err = dial(s); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		status, err := ask(conns[i], "192.0.2.1")
		if err != nil && !isReset(err) {
			t.Fatal(err)
		}
		statuses[status]++ // 0: the answer was lost to the reset that an unread request makes of a close
	}
	if n := statuses[200]; n < limit/2-2*slack/10 || n > limit/2 || statuses[503]+statuses[0]+n != len(conns) || statuses[503] == 0 {
		t.Errorf("answers: %v, want about %d times 200 and then 503", statuses, limit/2)
	}
	c.everyoneGetsOne("crowded")
	for _, nc := range conns {
		nc.Close()
	}
	await(t, "there is room again", func() (float64, bool) {
		nc, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		status, _ := ask(nc, "192.0.2.1")
		return 0, status == 200
	})
	for range 3 { // whoever leaves makes room, whatever it spoke
		c.leave(0, limit/2)
		c.gone()
		await(t, "they have left", func() (float64, bool) {
			n := s.Metric("enigma_connections")
			return n, n == 0
		})
		c.connect(s, 0, limit/2, limit/2)
	}
	s.AwaitLog("there is room for connections again")
	expectLines(t, s, 1, "no room for more connections")
	expectLines(t, s, 1, "there is room for connections again")
	expectLines(t, s, 2, "level=WARN")
}

// isReset says that a connection was cut off.
func isReset(err error) bool {
	return errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "broken pipe")
}

// TestFlood_MoreThanMaxConnsPerIP has one source take all that it may have. It is refused more, others are not, and when
// its connections have ended, however they did, it may connect again.
func TestFlood_MoreThanMaxConnsPerIP(t *testing.T) {
	t.Parallel()
	const limit = 50
	s := enigmatest.Start(t, "--max-conns-per-ip", fmt.Sprint(limit))
	ids := login(t, s, "somebody", 2*limit+1) // for one who connects twice replaces himself, and has a place again
	hog, other := "192.0.2.1", "192.0.2.2"
	for round := range 3 {
		var conns []*net.TCPConn
		statuses := map[int]int{}
		for i := range 2 * limit {
			nc, err := dial(s)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			conns = append(conns, nc)
			statuses[upgradeFrom(t, nc, ids[i], hog)]++
		}
		if statuses[101] != limit || statuses[429] != limit {
			t.Errorf("round %d: answers %v, want %d times 101 and as often 429", round, statuses, limit)
		}
		nc, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		if status := upgradeFrom(t, nc, ids[2*limit], other); status != 101 {
			t.Errorf("another source is answered %d", status)
		}
		for i, conn := range append(conns, nc) {
			if i%2 == 0 {
				_ = conn.SetLinger(0)
			}
			conn.Close()
		}
		await(t, "the source may connect again", func() (float64, bool) {
			n := s.OpenFiles()
			return float64(n), n < limit && s.Metric("enigma_connections") == 0
		})
	}
}

// upgradeFrom asks for an upgrade as a proxy would for somebody, and returns the status.
func upgradeFrom(t *testing.T, nc net.Conn, id, from string) int {
	t.Helper()
	_ = nc.SetDeadline(time.Now().Add(within))
	fmt.Fprintf(nc, "GET /ws/%s HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", id, from)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}
