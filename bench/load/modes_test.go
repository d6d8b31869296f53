package load_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// short is a run of a mode that takes a moment.
func short(mode string) load.Config {
	cfg := load.Defaults()
	cfg.Mode, cfg.Users, cfg.Messages, cfg.Senders = mode, 40, 10, 4
	cfg.Warmup, cfg.Duration, cfg.Settle = 20*time.Millisecond, 200*time.Millisecond, 20*time.Millisecond
	return cfg
}

// start runs the server with a store that no disk can hold up: what is tested is the generator.
func start(t *testing.T, args ...string) *enigmatest.Server {
	return enigmatest.Start(t, append([]string{"--store", "memory"}, args...)...)
}

// fair runs cfg against a server of which nothing wrong is expected.
func fair(t *testing.T, s *enigmatest.Server, cfg load.Config) *load.Result {
	t.Helper()
	cfg.Server = s.URL("")
	if runtime.GOOS == "linux" {
		cfg.PID = s.Pid()
	}
	r, err := load.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Repeated > 0 || r.Received != r.Sent || len(r.Refused) > 0 {
		t.Errorf("sent %d, received %d, repeated %d, refused %v", r.Sent, r.Received, r.Repeated, r.Refused)
	}
	var text bytes.Buffer
	r.Write(&text)
	if !strings.Contains(text.String(), cfg.Mode) || !strings.Contains(text.String(), "all as it should be") {
		t.Errorf("the report is\n%s", text.String())
	}
	return r
}

// counted fails the test unless the step has counted something, in a time that was measured.
func counted(t *testing.T, r *load.Result, step string, least uint64) {
	t.Helper()
	s := r.Step(step)
	if s == nil || s.Count < least || s.Seconds <= 0 || s.PerSecond <= 0 {
		t.Errorf("step %s is %+v, want a count of %d or more", step, s, least)
	}
}

func TestModes_AgainstTheRealServer(t *testing.T) {
	s := start(t)
	epoll := func(c load.Config) load.Config { return c }
	twoWorkers := func(c load.Config) load.Config { c.Workers = 2; return c }
	for name, c := range map[string]struct {
		profile string
		prepare func(load.Config) load.Config
	}{
		"plain":                {load.Plain, epoll},
		"v1":                   {load.V1, epoll},
		"plain, by goroutines": {load.Plain, load.WithGoroutines},
		"v1, by two workers":   {load.V1, twoWorkers},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(mode string, vary func(*load.Config)) *load.Result {
				cfg := short(mode)
				cfg.Profile = c.profile
				vary(&cfg)
				return fair(t, s, c.prepare(cfg))
			}
			r := run(load.Pairs, func(c *load.Config) { c.InFlight = 4 })
			counted(t, r, "connect", 40)
			counted(t, r, "messages", 50)
			if c.profile == load.V1 && r.Acked != r.Sent {
				t.Errorf("%d acks for %d messages", r.Acked, r.Sent)
			}
			counted(t, run(load.Pairs, func(c *load.Config) { c.Total, c.InFlight = 1001, 16 }), "messages", 1001)
			r = run(load.Pairs, func(c *load.Config) { c.Rate = 500 })
			if s := r.Step("messages"); s.Count < 10 || s.Count > 250 || s.Latency.P50 <= 0 || s.Latency.Max < s.Latency.P999 {
				t.Errorf("500 messages per second for 200 ms are %+v, latency %+v", s, s.Latency)
			}
			counted(t, run(load.Oneway, func(c *load.Config) { c.Rate, c.Receivers = 500, 10 }), "messages", 10)
			counted(t, run(load.Idle, func(*load.Config) {}), "connect", 40)
			counted(t, run(load.Connect, func(*load.Config) {}), "connect", 40)
			counted(t, run(load.Churn, func(*load.Config) {}), "visits", 200)
			r = run(load.Offline, func(c *load.Config) { c.InFlight = 8 })
			counted(t, r, "acks", 360)
			counted(t, r, "drain", 360)
		})
	}
}

func TestOneway_FloodsWithoutLosingAnything(t *testing.T) {
	s := start(t, "--mailbox-messages", "1000000", "--mailbox-bytes", "1GiB")
	for _, profile := range []string{load.Plain, load.V1} {
		cfg := short(load.Oneway)
		cfg.Server, cfg.Users, cfg.Profile = s.URL(""), 10, profile
		r, err := load.Run(t.Context(), cfg)
		if err != nil || r.Err() != nil || r.Received != r.Sent {
			t.Fatalf("%s: %v, %v, received %d of %d", profile, err, r.Err(), r.Received, r.Sent)
		}
		counted(t, r, "messages", 50)
	}
}

func TestRun_ReportsMemoryAndCPU(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("read from /proc")
	}
	s := start(t)
	r := fair(t, s, short(load.Pairs))
	m := r.Memory
	if m == nil || m.Before < 1<<20 || m.Connected < 1<<20 || m.Settled < 1<<20 {
		t.Errorf("memory is %+v", m)
	}
	if step := r.Step("messages"); step.ServerCPU == nil || *step.ServerCPU <= 0 || *step.CPUPerMillion <= 0 || step.GeneratorCPU <= 0 {
		t.Errorf("the step is %+v", step)
	}
	if n := len(r.Samples); n == 0 || r.Samples[n-1].RSS < 1<<20 {
		t.Errorf("samples are %+v", r.Samples)
	}
}

func TestRun_SaysWhatCannotBeDone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*load.Config)
		want   string
	}{
		"mode":       {func(c *load.Config) { c.Mode = "chat" }, "write pairs, oneway"},
		"profile":    {func(c *load.Config) { c.Profile = "v2" }, "write plain or v1"},
		"users":      {func(c *load.Config) { c.Users = 1 }, "write 2 or more"},
		"odd users":  {func(c *load.Config) { c.Users = 5 }, "write an even number"},
		"workers":    {func(c *load.Config) { c.Workers = 30 }, "at most half as many as users"},
		"size":       {func(c *load.Config) { c.Size = 10 }, "write 48 or more"},
		"receivers":  {func(c *load.Config) { c.Mode, c.Receivers = load.Oneway, 30 }, "at most half"},
		"senders":    {func(c *load.Config) { c.Mode, c.Senders = load.Offline, 30 }, "at most half"},
		"bounds":     {func(c *load.Config) { c.InFlight = 0 }, "write 1 or more"},
		"times":      {func(c *load.Config) { c.Duration = 0 }, "write more"},
		"TLS":        {func(c *load.Config) { c.Server = "https://127.0.0.1:1" }, "write http://HOST:PORT"},
		"no server":  {func(c *load.Config) { c.Server = "http://127.0.0.1:1" }, "nobody could connect"},
		"no process": {func(c *load.Config) { c.PID = 1 << 30 }, "pid"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := short(load.Pairs)
			cfg.Server = "http://127.0.0.1:1"
			c.change(&cfg)
			if _, err := load.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q in it", err, c.want)
			}
		})
	}
}
