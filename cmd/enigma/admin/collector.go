package admin

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/enigma-protocol/enigma/actors"
)

// The bounds that are shown of the histograms: what lies beyond is in the first and the last.
const (
	leastTime, mostTime = 4, 26 // 16 µs to 67 s
	leastSize, mostSize = 0, 12 // 1 to 4,096
)

// Registry returns what /metrics shows: the table, the Go runtime, the process.
func Registry(stats func() Stats, version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(stats, version), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func newCollector(stats func() Stats, version string) *collector {
	c := &collector{stats: stats, version: version, descs: make([]*prometheus.Desc, len(Table))}
	for i, m := range Table {
		var labels []string
		if m.Label != "" {
			labels = []string{m.Label}
		}
		c.descs[i] = prometheus.NewDesc(m.Name, m.Help, labels, nil)
	}
	return c
}

// collector reads the counters at each scrape, once for all metrics.
type collector struct {
	stats   func() Stats
	version string
	descs   []*prometheus.Desc // of Table, in the same order
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	stats := c.stats()
	for i := range Table {
		m := &Table[i]
		m.read(&stats, &sink{metric: m, desc: c.descs[i], version: c.version, out: out})
	}
}

// sink takes the values of one metric.
type sink struct {
	metric  *Metric
	desc    *prometheus.Desc
	version string
	out     chan<- prometheus.Metric
}

func (to *sink) labels(label string) []string {
	if to.metric.Label == "" {
		return nil
	}
	return []string{strings.ToValidUTF8(label, "?")}
}

func (to *sink) number(label string, value float64) {
	kind := prometheus.GaugeValue
	if to.metric.Kind == Counter {
		kind = prometheus.CounterValue
	}
	to.out <- prometheus.MustNewConstMetric(to.desc, kind, value, to.labels(label)...)
}

// times shows a histogram of microseconds in seconds.
func (to *sink) times(label string, h *actors.Histogram) {
	to.histogram(label, h, leastTime, mostTime, 1e-6)
}

func (to *sink) sizes(label string, h *actors.Histogram) {
	to.histogram(label, h, leastSize, mostSize, 1)
}

func (to *sink) histogram(label string, h *actors.Histogram, least, most int, unit float64) {
	buckets := make(map[float64]uint64, most-least+1)
	var below uint64
	for i := 0; i <= most; i++ {
		below += h.Counts[i]
		if i >= least {
			buckets[float64(uint64(1)<<i)*unit] = below
		}
	}
	to.out <- prometheus.MustNewConstHistogram(to.desc, h.Count(), float64(h.Sum)*unit, buckets, to.labels(label)...)
}
