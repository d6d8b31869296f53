package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Result is what a run found. Times are in seconds, latencies in microseconds, memory in bytes.
type Result struct {
	Mode     string  `json:"mode"`
	Dialect  string  `json:"dialect"`
	Users    int     `json:"users"`
	InFlight int     `json:"inFlight,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
	Size     int     `json:"size"`
	Seconds  float64 `json:"seconds"` // of the whole run

	Steps  []Step  `json:"steps"`
	Memory *Memory `json:"memory,omitempty"` // of the server

	Sent     uint64            `json:"sent"`
	Received uint64            `json:"received"` // each message once
	Repeated uint64            `json:"repeated"`
	Acked    uint64            `json:"acked,omitempty"`
	Refused  map[string]uint64 `json:"refused,omitempty"` // by code
	Faults   []string          `json:"faults,omitempty"`  // what the server did wrong, a line per kind
	Samples  []Sample          `json:"samples,omitempty"`
}

// Step is a stretch of a run that was measured.
type Step struct {
	Name          string   `json:"name"`
	Count         uint64   `json:"count"`
	Seconds       float64  `json:"seconds"`
	PerSecond     float64  `json:"perSecond"`
	Latency       *Latency `json:"latency,omitempty"`
	ServerCPU     *float64 `json:"serverCPU,omitempty"`
	CPUPerMillion *float64 `json:"cpuPerMillion,omitempty"` // of the server, for a million of what Count counts
	GeneratorCPU  float64  `json:"generatorCPU"`
}

// Latency is the distribution of a step's times, in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

// Memory is the server's resident set: before anybody connected, when all had, and at the end of the run, when the
// server had time to collect.
type Memory struct {
	Before    int64 `json:"before"`
	Connected int64 `json:"connected"`
	Settled   int64 `json:"settled"`
}

// Sample is a moment of a run.
type Sample struct {
	Seconds  float64 `json:"seconds"`
	Open     int64   `json:"open"`
	Received int64   `json:"received"`
	Acked    int64   `json:"acked,omitempty"`
	CPU      float64 `json:"cpu,omitempty"`
	RSS      int64   `json:"rss,omitempty"`
}

func newResult(cfg *Config, dialect string) *Result {
	r := &Result{Mode: cfg.Mode, Dialect: dialect, Users: cfg.Users, Size: cfg.Size, Refused: make(map[string]uint64)}
	switch cfg.Mode {
	case Pairs, Oneway:
		r.Rate = cfg.Rate
		if cfg.Mode == Pairs && cfg.Rate == 0 {
			r.InFlight = cfg.InFlight
		}
	case Offline:
		r.InFlight = cfg.InFlight
	}
	return r
}

func newLatency(h *Histogram) *Latency {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return &Latency{P50: us(h.Quantile(0.5)), P99: us(h.Quantile(0.99)), P999: us(h.Quantile(0.999)), Max: us(h.Max()), Mean: us(h.Mean())}
}

// Err says what the server did wrong, nil for nothing.
func (r *Result) Err() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return fmt.Errorf("messages or connections went wrong:\n%s", strings.Join(r.Faults, "\n"))
}

// Step returns the step of that name, nil if there is none.
func (r *Result) Step(name string) *Step {
	for i := range r.Steps {
		if r.Steps[i].Name == name {
			return &r.Steps[i]
		}
	}
	return nil
}

// Write prints the result for people.
func (r *Result) Write(w io.Writer) {
	fmt.Fprintf(w, "%s, %s, %d users", r.Mode, r.Dialect, r.Users)
	if r.InFlight > 0 {
		fmt.Fprintf(w, ", %d in flight", r.InFlight)
	}
	if r.Rate > 0 {
		fmt.Fprintf(w, ", %.0f messages/s", r.Rate)
	}
	fmt.Fprintf(w, ", payloads of %d bytes\n", r.Size)
	for i := range r.Steps {
		r.Steps[i].write(w)
	}
	if m := r.Memory; m != nil {
		m.write(w)
		if r.Mode == Idle || r.Mode == Connect {
			per := func(n int64) int64 { return (n - m.Before) / int64(r.Users) }
			fmt.Fprintf(w, ", per user %d bytes connected, %d settled", per(m.Connected), per(m.Settled))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "  sent %d, received %d", r.Sent, r.Received)
	for _, extra := range []struct {
		n    uint64
		what string
	}{{r.Repeated, "repeated"}, {r.Acked, "acknowledged"}} {
		if extra.n > 0 {
			fmt.Fprintf(w, ", %s %d", extra.what, extra.n)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(r.Refused)) {
		fmt.Fprintf(w, ", %s %d", code, r.Refused[code])
	}
	if len(r.Faults) == 0 {
		fmt.Fprintln(w, ": all as it should be")
		return
	}
	fmt.Fprint(w, "\n  wrong: ", strings.Join(r.Faults, "\n  wrong: "), "\n")
}

// write takes a line for each of count, times and CPU: a terminal of 80 columns breaks none of them.
func (s *Step) write(w io.Writer) {
	const indent = "\n            "
	fmt.Fprintf(w, "  %-9s %9d in %6.2f s  %9.0f/s", s.Name, s.Count, s.Seconds, s.PerSecond)
	if l := s.Latency; l != nil {
		fmt.Fprintf(w, indent+"p50 %s  p99 %s  p99.9 %s", micros(l.P50), micros(l.P99), micros(l.P999))
	}
	fmt.Fprint(w, indent)
	if s.CPUPerMillion != nil {
		fmt.Fprintf(w, "server CPU %.2f s, %.2f s per million  ", *s.ServerCPU, *s.CPUPerMillion)
	}
	fmt.Fprintf(w, "generator CPU %.2f s\n", s.GeneratorCPU)
}

func (m *Memory) write(w io.Writer) {
	const mib = 1 << 20
	fmt.Fprintf(w, "  memory    %.1f MiB before, %.1f MiB connected, %.1f MiB settled",
		float64(m.Before)/mib, float64(m.Connected)/mib, float64(m.Settled)/mib)
}

// micros formats microseconds with the unit that suits.
func micros(us float64) string {
	if us < 1000 {
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.1f ms", us/1000)
}
