package plot

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/enigma-protocol/enigma/bench/load"
)

// Results draws throughput, latency and memory against connections into files of a directory: throughput.svg,
// latency.svg and memory.svg, those for which the results have something to show.
func Results(dir string, results []*load.Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	results = slices.Clone(results)
	slices.SortStableFunc(results, func(a, b *load.Result) int { return cmp.Compare(a.Users, b.Users) })
	return errors.Join(
		save(dir, "throughput.svg", throughput(results)),
		save(dir, "latency.svg", latency(results)),
		save(dir, "memory.svg", memory(results)),
	)
}

// save writes a chart, unless there is nothing on it.
func save(dir, name string, c *Chart) error {
	c.Lines = slices.DeleteFunc(c.Lines, func(l Line) bool { return len(l.Points) == 0 })
	if len(c.Lines) == 0 {
		return nil
	}
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return errors.Join(c.WriteSVG(file), file.Close())
}

// named returns a chart whose title says which runs it shows.
func named(results []*load.Result, what, unit string) *Chart {
	title := what
	if len(results) > 0 {
		title = fmt.Sprintf("%s: %s, %s", what, results[0].Mode, results[0].Dialect)
	}
	return &Chart{Title: title, X: "connections", Y: unit}
}

func throughput(results []*load.Result) *Chart {
	c := named(results, "Throughput", "per second")
	index := make(map[string]int)
	for _, r := range results {
		for _, s := range r.Steps {
			i, ok := index[s.Name]
			if !ok {
				i = len(c.Lines)
				index[s.Name] = i
				c.Lines = append(c.Lines, Line{Name: s.Name})
			}
			c.Lines[i].Points = append(c.Lines[i].Points, Point{float64(r.Users), s.PerSecond})
		}
	}
	return c
}

// latency shows the last step that has one: messages, where there are any.
func latency(results []*load.Result) *Chart {
	c := named(results, "Latency", "µs")
	c.LogY = true
	c.Lines = []Line{{Name: "p99.9"}, {Name: "p99"}, {Name: "p50"}}
	for _, r := range results {
		var l *load.Latency
		for i := range r.Steps {
			if r.Steps[i].Latency != nil {
				l = r.Steps[i].Latency
			}
		}
		if l == nil {
			continue
		}
		for i, v := range []float64{l.P999, l.P99, l.P50} {
			c.Lines[i].Points = append(c.Lines[i].Points, Point{float64(r.Users), v})
		}
	}
	return c
}

// memory shows one run as it grew, several by where each ended.
func memory(results []*load.Result) *Chart {
	c := named(results, "Server memory", "MiB")
	const mib = 1 << 20
	if len(results) == 1 {
		growth := Line{Name: "resident"}
		for _, s := range results[0].Samples {
			if n := len(growth.Points); s.RSS > 0 && (n == 0 || float64(s.Open) > growth.Points[n-1].X) {
				growth.Points = append(growth.Points, Point{float64(s.Open), float64(s.RSS) / mib})
			}
		}
		c.Lines = []Line{growth}
		return c
	}
	c.Lines = []Line{{Name: "before"}, {Name: "connected"}, {Name: "settled"}}
	for _, r := range results {
		if r.Memory == nil {
			continue
		}
		for i, v := range []int64{r.Memory.Before, r.Memory.Connected, r.Memory.Settled} {
			c.Lines[i].Points = append(c.Lines[i].Points, Point{float64(r.Users), float64(v) / mib})
		}
	}
	return c
}
