package admin

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Reading is what /metrics.json says: the same numbers as /metrics, for the dashboard and for `enigma top`.
type Reading struct {
	Time     float64            `json:"time"`     // seconds since the epoch
	Values   map[string]float64 `json:"values"`   // counters and gauges by name, with {label} behind those that have one
	Timings  map[string]Timing  `json:"timings"`  // histograms, likewise
	Versions []string           `json:"versions"` // of what is running: one
}

// Timing is a histogram: how many values were at most as large as each bound, all below included.
type Timing struct {
	Bounds []float64 `json:"bounds"`
	Counts []uint64  `json:"counts"` // one more than there are bounds: the last is all
	Sum    float64   `json:"sum"`
}

// read gathers the metrics.
func read(from prometheus.Gatherer) (*Reading, error) {
	families, err := from.Gather()
	if err != nil {
		return nil, err
	}
	r := &Reading{Time: float64(time.Now().UnixMilli()) / 1e3, Values: make(map[string]float64), Timings: make(map[string]Timing)}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			if name == "enigma_build_info" {
				r.Versions = append(r.Versions, m.GetLabel()[0].GetValue())
				continue
			}
			for _, label := range m.GetLabel() {
				name += "{" + label.GetValue() + "}"
			}
			r.add(name, m)
		}
	}
	return r, nil
}

func (r *Reading) add(name string, m *dto.Metric) {
	h := m.GetHistogram()
	if h == nil {
		v := m.GetCounter().GetValue() + m.GetGauge().GetValue()
		if !math.IsNaN(v) && !math.IsInf(v, 0) && m.GetSummary() == nil {
			r.Values[name] = v
		}
		return
	}
	t := Timing{Sum: h.GetSampleSum()}
	for _, bucket := range h.GetBucket() {
		t.Bounds = append(t.Bounds, bucket.GetUpperBound())
		t.Counts = append(t.Counts, bucket.GetCumulativeCount())
	}
	t.Counts = append(t.Counts, h.GetSampleCount())
	r.Timings[name] = t
}

// Since returns what was counted since an earlier reading of the same histogram.
func (t Timing) Since(before Timing) Timing {
	d := Timing{Bounds: t.Bounds, Counts: append([]uint64(nil), t.Counts...), Sum: t.Sum}
	if len(before.Counts) == len(d.Counts) {
		d.Sum -= before.Sum
		for i, n := range before.Counts {
			d.Counts[i] -= min(n, d.Counts[i])
		}
	}
	return d
}

// Quantile returns the value below which the part q of all lies, taken to be spread evenly within a bucket; NaN for
// none.
func (t Timing) Quantile(q float64) float64 {
	if len(t.Counts) == 0 || t.Counts[len(t.Counts)-1] == 0 {
		return math.NaN()
	}
	rank := q * float64(t.Counts[len(t.Counts)-1])
	low, below := 0.0, uint64(0)
	for i, bound := range t.Bounds {
		if float64(t.Counts[i]) >= rank {
			return low + (bound-low)*(rank-float64(below))/math.Max(1, float64(t.Counts[i]-below))
		}
		low, below = bound, t.Counts[i]
	}
	return low
}

// serveReading is GET /metrics.json.
func (a *Server) serveReading(w http.ResponseWriter, _ *http.Request) {
	r, err := read(a.opts.Metrics)
	if err != nil {
		a.opts.Log.Warn("metrics cannot be read", "error", err)
		respond(w, http.StatusInternalServerError, "metrics cannot be read")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r) // a reader that has gone needs no answer
}
