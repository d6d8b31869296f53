package bench_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// socketMessages is how many messages one run of BenchmarkSockets sends.
const socketMessages = 100_000

// BenchmarkSockets is the real server over sockets: 200 users in pairs answer each other with messages of 200 bytes,
// each of them checked. What is reported is per message, over all runs, without the time it took to connect. The server
// is another process; cpu-ns/message is what a message takes of it alone.
func BenchmarkSockets(b *testing.B) {
	for _, profile := range []string{load.Plain, load.V1} {
		for _, flight := range []int{1, 16} {
			b.Run(fmt.Sprintf("profile=%s/flight=%d", profile, flight), func(b *testing.B) {
				benchmarkSockets(b, profile, flight)
			})
		}
	}
}

func benchmarkSockets(b *testing.B, profile string, flight int) {
	server := enigmatest.Start(b, "--store", "memory", "--admin", "off")
	cfg := load.Defaults()
	cfg.Mode, cfg.Server, cfg.Profile = load.Pairs, server.URL(""), profile
	cfg.Users, cfg.InFlight, cfg.Total = 200, flight, socketMessages
	if runtime.GOOS == "linux" {
		cfg.PID = server.Pid()
	}
	var messages, seconds, cpu, p99 float64
	for b.Loop() {
		r, err := load.Run(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Err(); err != nil {
			b.Error(err)
		}
		step := r.Step("messages")
		messages += float64(step.Count)
		seconds += step.Seconds
		p99 = max(p99, step.Latency.P99)
		if step.ServerCPU != nil {
			cpu += *step.ServerCPU
		}
	}
	b.ReportMetric(0, "ns/op") // an op is a run, which says nothing
	b.ReportMetric(seconds*1e9/messages, "ns/message")
	b.ReportMetric(messages/seconds, "messages/s")
	b.ReportMetric(p99, "p99-µs")
	if cpu > 0 {
		b.ReportMetric(cpu*1e9/messages, "cpu-ns/message")
	}
}
