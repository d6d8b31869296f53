package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/bench/plot"
)

// plots draws what a table shows into files of a directory: the closed loops against the messages in flight, the idle
// runs against connections.
func (t *table) plots(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	byColumn := func(title, unit string, c *column) *plot.Chart {
		chart := &plot.Chart{Title: title, X: "messages in flight per pair", Y: unit, LogX: true, LogY: true}
		for _, p := range t.peers {
			line := plot.Line{Name: p}
			for _, n := range inFlight {
				if values := t.values(pairsName(n), p, c); len(values) > 0 {
					line.Points = append(line.Points, plot.Point{X: float64(n), Y: median(values)})
				}
			}
			chart.Lines = append(chart.Lines, line)
		}
		return chart
	}
	return errors.Join(
		save(dir, "peers-cpu.svg", byColumn("What a million messages cost", "server CPU, s", columnOf("server CPU s/million"))),
		save(dir, "peers-throughput.svg", byColumn("Throughput, closed loop", "messages/s", columnOf("messages/s"))),
		save(dir, "peers-latency.svg", byColumn("99th percentile of the latency, closed loop", "µs", columnOf("p99 µs"))),
		save(dir, "peers-memory.svg", t.memory()),
	)
}

// memory shows how each server grew in its first idle run, against what it held before.
func (t *table) memory() *plot.Chart {
	chart := &plot.Chart{Title: "Memory of idle connections", X: "connections", Y: "MiB more than without"}
	for _, p := range t.peers {
		line := plot.Line{Name: p}
		for _, r := range t.results[idleName][p] {
			if r != nil && r.Memory != nil {
				line.Points = growth(r)
				break
			}
		}
		chart.Lines = append(chart.Lines, line)
	}
	return chart
}

// growth returns the memory whenever there were more connections than before.
func growth(r *load.Result) (points []plot.Point) {
	add := func(users float64, rss int64) {
		points = append(points, plot.Point{X: users, Y: float64(rss-r.Memory.Before) / (1 << 20)})
	}
	add(0, r.Memory.Before)
	for _, s := range r.Samples {
		if users := float64(s.Open); users > points[len(points)-1].X && s.Open < int64(r.Users) && s.RSS > 0 {
			add(users, s.RSS)
		}
	}
	add(float64(r.Users), r.Memory.Settled)
	return points
}

func columnOf(name string) *column {
	for i := range columns {
		if columns[i].name == name {
			return &columns[i]
		}
	}
	return nil
}

func save(dir, name string, c *plot.Chart) error {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return errors.Join(c.WriteSVG(file), file.Close())
}
