package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/bench/plot"
)

// elements parses an SVG and counts its elements by name.
func elements(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	count := make(map[string]int)
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if start, ok := token.(xml.StartElement); ok {
			count[start.Name.Local]++
		}
	}
}

func TestChart_IsAnSVGWithEveryPoint(t *testing.T) {
	for name, c := range map[string]struct {
		chart   plot.Chart
		circles int
		texts   []string
	}{
		"empty":       {plot.Chart{Title: "Nothing"}, 0, []string{"Nothing"}},
		"linear":      {plot.Chart{Title: "a < b & c", Lines: []plot.Line{{"x", []plot.Point{{0, 0}, {1000, 52000}}}}}, 2, []string{"a &lt; b &amp; c", ">50k<", ">1k<", ">x<"}},
		"logarithmic": {plot.Chart{LogX: true, LogY: true, Lines: []plot.Line{{"x", []plot.Point{{1, 3}, {1e6, 0}}}, {"y", []plot.Point{{5, 4000}}}}}, 3, []string{">1M<", ">1k<"}},
		"one value":   {plot.Chart{LogY: true, Lines: []plot.Line{{"x", []plot.Point{{0, 10}}}}}, 1, []string{">10<", ">100<"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.chart.WriteSVG(&b); err != nil {
				t.Fatal(err)
			}
			if n := elements(t, b.Bytes())["circle"]; n != c.circles {
				t.Errorf("%d points, want %d", n, c.circles)
			}
			for _, text := range append(c.texts, "</svg>") {
				if !strings.Contains(b.String(), text) {
					t.Errorf("%q is missing in\n%s", text, b.String())
				}
			}
			for _, bad := range []string{"NaN", "Inf"} {
				if strings.Contains(b.String(), bad) {
					t.Errorf("%s in\n%s", bad, b.String())
				}
			}
		})
	}
	huge := plot.Chart{Lines: []plot.Line{{"x", []plot.Point{{math.MaxInt32, math.MaxInt64}}}}}
	if err := huge.WriteSVG(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestResults_DrawsWhatThereIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "plots")
	var results []*load.Result
	for _, users := range []int{1000, 100} {
		results = append(results, &load.Result{
			Mode: load.Pairs, Dialect: "enigma/plain", Users: users,
			Steps: []load.Step{
				{Name: "connect", PerSecond: 3000},
				{Name: "messages", PerSecond: 50000, Latency: &load.Latency{P50: 10, P99: 100, P999: 1000}},
			},
			Memory:  &load.Memory{Before: 1 << 20, Connected: 2 << 20, Settled: 2 << 20},
			Samples: []load.Sample{{Open: 10, RSS: 1 << 20}, {Open: 50, RSS: 2 << 20}, {Open: 50, RSS: 3 << 20}},
		})
	}
	points := func(file string) int {
		t.Helper()
		svg, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return elements(t, svg)["circle"]
	}
	if err := plot.Results(dir, results); err != nil {
		t.Fatal(err)
	}
	if a, b, c := points("throughput.svg"), points("latency.svg"), points("memory.svg"); a != 4 || b != 6 || c != 6 {
		t.Errorf("%d, %d and %d points, want 4, 6 and 6", a, b, c)
	}
	if err := plot.Results(dir, results[:1]); err != nil {
		t.Fatal(err)
	}
	if n := points("memory.svg"); n != 2 {
		t.Errorf("%d points for a run that grew to 50 users, want 2", n)
	}
	dir = t.TempDir()
	if err := plot.Results(dir, []*load.Result{{Users: 1}}); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("a run without anything to show left %v", entries)
	}
}
