package top_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/cmd/enigma/top"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reading is what a server says n seconds after its start, when it has taken 1,000 messages a second, half of them
// within a millisecond and the others within two.
func reading(n float64) *admin.Reading {
	messages := uint64(1000 * n)
	return &admin.Reading{
		Time: 1000 + n,
		Values: map[string]float64{
			"process_start_time_seconds": 1000, "process_resident_memory_bytes": 45.5 * (1 << 20), "enigma_store_up": 1,
			"enigma_connections": 12345, "enigma_messages_submitted_total": float64(messages), "enigma_messages_delivered_total": 2.5 * n,
			"enigma_errors_total{A}": 20 * n, "enigma_errors_total{B}": 30 * n,
			"enigma_shard_busy_seconds_total{0}": 0.2 * n, "enigma_shard_busy_seconds_total{1}": 0.4 * n,
		},
		Timings: map[string]admin.Timing{
			"enigma_delivery_write_seconds": {Bounds: []float64{0.001, 0.002}, Counts: []uint64{messages / 2, messages, messages}},
		},
		Versions: []string{"v1.2\x1b[2J"},
	}
}

// shows checks what the terminal shows.
func shows(t *testing.T, s *top.Screen, patterns ...string) {
	t.Helper()
	text := ansi.Strip(s.Content())
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%q is not at the screen:\n%s", pattern, text)
		}
	}
}

func TestTop_ShowsWhatLiesBetweenTwoReadings(t *testing.T) {
	s := top.NewScreen(80, 24)
	shows(t, s, `Waiting for the first reading`)
	s.Read(reading(100), nil)
	shows(t, s, `Waiting for the second reading`)
	s.Read(reading(102), nil)
	shows(t, s, `^ enigma 127.0.0.1:9090 · v1.2.{0,8} · up 1m42s +● live`,
		`(?m)^ connections +12,345  █`, `(?m)^ messages in +1,000/s  █`, `(?m)^ delivered +2\.5/s`, `(?m)^ parked +0/s  ▁`,
		`(?m)^ delivery, median +1 ms`, `(?m)^ delivery, 99 % +1\.98 ms`, `(?m)^ confirm, 99 % +–`, `(?m)^ errors sent +50/s`,
		`(?m)^ event loops busy +30 %`, `(?m)^ memory +45.5 MiB`, `q ends`)
	if strings.Contains(s.Content(), "\x1b[2J") {
		t.Error("what the server calls itself reaches the terminal as it is")
	}
}

func TestTop_GoesOnWhenTheServerIsAwayOrNew(t *testing.T) {
	s := top.NewScreen(80, 24)
	s.Read(nil, mail.Unreachable("http://127.0.0.1:9090", http.ErrSchemeMismatch))
	shows(t, s, `✗ no answer`, `does not speak https.*Asking again`)
	s.Read(reading(100), nil)
	s.Read(reading(101), nil)
	s.Read(nil, http.ErrHandlerTimeout)
	shows(t, s, `✗ no answer`, `messages in +–  █ *\n`)
	s.Read(reading(103), nil)
	shows(t, s, `● live`, `messages in +1,000/s  █ █ *\n`)
	again := reading(2) // started anew, two seconds ago
	again.Time, again.Values["process_start_time_seconds"] = 1105, 1103
	s.Read(again, nil)
	shows(t, s, `messages in +1,000/s`, `up 2s`)
	again.Values["enigma_store_up"] = 0
	s.Read(again, nil)
	shows(t, s, `✗ store down`)
}

func TestTop_FitsIntoEveryWindowAndEndsWithItsKeys(t *testing.T) {
	for _, width := range []int{1, 10, 20, 31, 40, 80, 200} {
		for _, height := range []int{4, 10, 24, 60} {
			s := top.NewScreen(width, height)
			for n := range 600 {
				s.Read(reading(float64(n)), nil)
			}
			rows := strings.Split(s.Content(), "\n")
			for _, row := range rows {
				if len(rows) > height || ansi.StringWidth(row) > width {
					t.Errorf("%dx%d: %d rows, one is %q", width, height, len(rows), ansi.Strip(row))
				}
			}
		}
	}
	s := top.NewScreen(80, 24)
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: tea.KeyEscape}, {Code: 'c', Mod: tea.ModCtrl}} {
		if !s.Ends(key) {
			t.Errorf("%s does not end it", key)
		}
	}
	if s.Ends(tea.KeyPressMsg{Code: 'x', Text: "x"}) {
		t.Error("x ends it")
	}
}

func TestTop_CurveIsBetweenZeroAndTheLargestWithItsLatestAtTheEnd(t *testing.T) {
	for _, c := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 5, ""},
		{[]float64{0, 0}, 5, "▁▁"},
		{[]float64{0, 7, 3.5, 1}, 9, "▁█▅▂"},
		{[]float64{100, 1, 2}, 2, "▅█"},
		{[]float64{1, math.NaN(), 1}, 3, "█ █"},
	} {
		if got := top.Curve(c.values, c.width); got != c.want {
			t.Errorf("%v in %d: %q, want %q", c.values, c.width, got, c.want)
		}
	}
}

func TestOnce_PrintsOneTableOfAnInterval(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics.json" {
			t.Errorf("asked for %s", r.URL)
		}
		_ = json.NewEncoder(w).Encode(reading(float64(100 + asked.Add(1))))
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var out bytes.Buffer
	cfg := top.Config{Admin: s.Listener.Addr().String(), Interval: time.Millisecond, Out: &out}
	if err := top.Once(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 15 || strings.Contains(out.String(), "\x1b") ||
		!regexp.MustCompile(`(?m)^messages in +1,000/s$`).MatchString(out.String()) {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	cfg.Admin = other.Listener.Addr().String()
	if err := top.Once(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "is no admin listener of enigma") {
		t.Errorf("another web server: %v", err)
	}
}
