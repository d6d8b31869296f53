package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/enigma-protocol/enigma/bench/load"
)

// table gathers results and shows their medians.
type table struct {
	scenarios, peers []string                             // in the order of their first result
	results          map[string]map[string][]*load.Result // by scenario and peer, one per round
}

func newTable() *table { return &table{results: make(map[string]map[string][]*load.Result)} }

// add notes the result of a round; nil where there is none.
func (t *table) add(scenario, peer string, r *load.Result) {
	if !slices.Contains(t.scenarios, scenario) {
		t.scenarios = append(t.scenarios, scenario)
		t.results[scenario] = make(map[string][]*load.Result)
	}
	if !slices.Contains(t.peers, peer) {
		t.peers = append(t.peers, peer)
	}
	t.results[scenario][peer] = append(t.results[scenario][peer], r)
}

// column is what the table shows of a result.
type column struct {
	name   string
	format string
	ratio  bool // to the floor, in brackets
	of     func(r *load.Result) (float64, bool)
}

// messages returns the step of that name, for runs that have messages.
func messages(of func(s *load.Step) (float64, bool)) func(*load.Result) (float64, bool) {
	return func(r *load.Result) (float64, bool) {
		s := r.Step("messages")
		if s == nil || s.Count == 0 {
			return 0, false
		}
		return of(s)
	}
}

func latency(of func(l *load.Latency) float64) func(*load.Result) (float64, bool) {
	return messages(func(s *load.Step) (float64, bool) {
		if s.Latency == nil {
			return 0, false
		}
		return of(s.Latency), true
	})
}

var columns = []column{
	{"messages/s", "%.0f", true, messages(func(s *load.Step) (float64, bool) { return s.PerSecond, true })},
	{"server CPU s/million", "%.2f", true, messages(func(s *load.Step) (float64, bool) {
		if s.CPUPerMillion == nil {
			return 0, false
		}
		return *s.CPUPerMillion, true
	})},
	{"p50 µs", "%.0f", false, latency(func(l *load.Latency) float64 { return l.P50 })},
	{"p99 µs", "%.0f", false, latency(func(l *load.Latency) float64 { return l.P99 })},
	{"p99.9 µs", "%.0f", false, latency(func(l *load.Latency) float64 { return l.P999 })},
	{"connects/s", "%.0f", true, func(r *load.Result) (float64, bool) {
		s := r.Step("connect")
		return s.PerSecond, r.Mode == load.Idle
	}},
	{"RSS B/user", "%.0f", true, func(r *load.Result) (float64, bool) {
		if r.Mode != load.Idle || r.Memory == nil {
			return 0, false
		}
		return float64(r.Memory.Settled-r.Memory.Before) / float64(r.Users), true
	}},
}

// write prints a table in Markdown for each scenario.
func (t *table) write(w io.Writer) {
	for _, scenario := range t.scenarios {
		shown := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
			return !slices.ContainsFunc(t.peers, func(p string) bool { return len(t.values(scenario, p, &c)) > 0 })
		})
		fmt.Fprintf(w, "\n### %s\n\n| server |", scenario)
		for _, c := range shown {
			fmt.Fprintf(w, " %s |", c.name)
		}
		fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", len(shown)))
		for _, p := range t.peers {
			fmt.Fprintf(w, "| %s |", p)
			for _, c := range shown {
				fmt.Fprintf(w, " %s |", t.cell(scenario, p, &c))
			}
			fmt.Fprintln(w)
		}
	}
}

// values returns what a column shows of each round that has it.
func (t *table) values(scenario, peer string, c *column) (all []float64) {
	for _, r := range t.results[scenario][peer] {
		if r != nil {
			if v, ok := c.of(r); ok {
				all = append(all, v)
			}
		}
	}
	return all
}

// cell shows the median of the rounds, and the median of the ratios to the floor of the same round; a star says that
// something went wrong in one of them.
func (t *table) cell(scenario, peer string, c *column) string {
	values := t.values(scenario, peer, c)
	if len(values) == 0 {
		return "-"
	}
	text := fmt.Sprintf(c.format, median(values))
	floor := t.values(scenario, "floor", c)
	if c.ratio && peer != "floor" && len(floor) == len(values) {
		ratios := make([]float64, len(values))
		for i := range values {
			ratios[i] = values[i] / floor[i]
		}
		text += fmt.Sprintf(" (%.2f)", median(ratios))
	}
	if slices.ContainsFunc(t.results[scenario][peer], func(r *load.Result) bool { return r == nil || r.Err() != nil }) {
		text += " *"
	}
	return text
}

// median of an even number is the lower of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
