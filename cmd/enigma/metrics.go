package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/enigma-protocol/enigma/actors"
)

// metric is one line of what /metrics says of the broker.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*actors.Stats) float64
}

// metrics maps the broker's counters to Prometheus. The names begin with enigma_.
var metrics = []metric{
	{"messages_submitted_total", "Messages that connections sent.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Submitted) }},
	{"messages_parked_total", "Messages that went to the store because their recipient could not take them.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Parked) }},
	{"messages_spilled_total", "Messages that went to the store after they had been sent and not been confirmed.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Spilled) }},
	{"messages_drained_total", "Messages that were read from the store.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Drained) }},
	{"messages_acked_total", "Acknowledgements to senders that asked for them.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Acked) }},
	{"messages_lost_total", "Accepted messages lost by a fault of the server.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Lost) }},
	{"connections", "Connections attached to their user.", prometheus.GaugeValue,
		func(s *actors.Stats) float64 { return float64(s.Attached) - float64(s.Detached) }},
	{"connections_attached_total", "Connections that were attached.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Attached) }},
	{"connections_timed_out_total", "Connections dropped for their silence.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.TimedOut) }},
	{"connection_writes_total", "Writes to connections; each carries what came for a user in one turn.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Writes) }},
	{"actors", "User actors.", prometheus.GaugeValue,
		func(s *actors.Stats) float64 { return float64(s.Actors) }},
	{"actor_panics_total", "User actors stopped by a panic.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Panics) }},
	{"actor_unknown_messages_total", "Messages to user actors that none of this program's parts sends.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.NilMessages + s.UnknownMessages) }},
	{"buffered_bytes", "Messages held in memory; bounded by --memory.", prometheus.GaugeValue,
		func(s *actors.Stats) float64 { return float64(s.Buffered) }},
	{"store_appended_total", "Messages in append calls of the store, repetitions included.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Appended) }},
	{"store_batches_total", "Append calls of the store.", prometheus.CounterValue,
		func(s *actors.Stats) float64 { return float64(s.Batches) }},
	{"store_down", "1 while the store does not answer.", prometheus.GaugeValue,
		func(s *actors.Stats) float64 { return oneIf(s.StoreDown) }},
	{"longest_turn_seconds", "The longest turn of an event loop since the last scrape.", prometheus.GaugeValue,
		func(s *actors.Stats) float64 { return s.LongestTurn.Seconds() }},
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// refused counts errors by code; it is beside the table for its label.
var refused = prometheus.NewDesc("enigma_errors_total", "Errors sent to connections, by code.", []string{"code"}, nil)

// brokerCollector reads the broker's counters at each scrape, once for all metrics.
type brokerCollector struct {
	broker *actors.Broker
	descs  []*prometheus.Desc // of metrics, in the same order
}

// newMetrics returns what /metrics shows: the broker, the Go runtime, the process, the version.
func newMetrics(broker *actors.Broker) prometheus.Gatherer {
	c := &brokerCollector{broker: broker}
	for _, m := range metrics {
		c.descs = append(c.descs, prometheus.NewDesc("enigma_"+m.name, m.help, nil, nil))
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "enigma_build_info", Help: "1; the label is the version.", ConstLabels: prometheus.Labels{"version": buildVersion()},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// Describe implements prometheus.Collector.
func (c *brokerCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
	descs <- refused
}

// Collect implements prometheus.Collector.
func (c *brokerCollector) Collect(out chan<- prometheus.Metric) {
	stats := c.broker.Stats()
	for i, m := range metrics {
		out <- prometheus.MustNewConstMetric(c.descs[i], m.kind, m.value(&stats))
	}
	for code, n := range stats.Refused {
		out <- prometheus.MustNewConstMetric(refused, prometheus.CounterValue, float64(n), code)
	}
}
