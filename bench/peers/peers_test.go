package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
)

// TestPeers_CarryAllThatTheGeneratorSends makes short runs on every server, with messages of one and of many reads.
func TestPeers_CarryAllThatTheGeneratorSends(t *testing.T) {
	bin := t.TempDir()
	if err := build(bin); err != nil {
		t.Fatal(err)
	}
	for _, p := range peers(bin) {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.program); err != nil {
				t.Skip(err)
			}
			o := &options{users: 20, duration: 200 * time.Millisecond, idle: 20}
			for _, s := range []scenario{
				{"pairs", func(c *load.Config) { c.Mode, c.InFlight, c.Warmup = load.Pairs, 16, 0 }},
				{"oneway", func(c *load.Config) { c.Mode, c.Rate, c.Warmup = load.Oneway, 500, 0 }},
				{"large", func(c *load.Config) { c.Mode, c.Size, c.Warmup = load.Pairs, 100_000, 0 }},
				{"idle", func(c *load.Config) { c.Mode, c.Settle = load.Idle, 0 }},
			} {
				r, err := measure(context.Background(), o, &s, &p)
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
				} else if s.name != "idle" && r.Received < 10 {
					t.Errorf("%s: %d messages", s.name, r.Received)
				}
			}
		})
	}
}

func TestTable_ShowsMediansAndTheirRatiosToTheFloorOfTheSameRound(t *testing.T) {
	result := func(perSecond, cpu float64, faults ...string) *load.Result {
		return &load.Result{Mode: load.Pairs, Faults: faults, Steps: []load.Step{
			{Name: "connect"},
			{Name: "messages", Count: 1, PerSecond: perSecond, CPUPerMillion: &cpu, Latency: &load.Latency{P50: 7}},
		}}
	}
	tb := newTable()
	for round := range 3 {
		tb.add("pairs-1", "floor", result(float64(1000*(round+1)), 2))
		tb.add("pairs-1", "ours", result(float64(500*(round+1)), float64(4+round)))
		tb.add("pairs-1", "wrong", result(1, 1, strings.Repeat("lost", round)))
		tb.add("pairs-1", "dead", nil)
	}
	var b bytes.Buffer
	tb.write(&b)
	for _, want := range []string{
		"### pairs-1",
		"| server | messages/s | server CPU s/million | p50 µs |",
		"| floor | 2000 | 2.00 | 7 |",
		"| ours | 1000 (0.50) | 5.00 (2.50) | 7 |",
		"| wrong | 1 (0.00) * | 1.00 (0.50) * | 7 * |",
		"| dead | - | - | - |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "RSS") {
		t.Error("a column without values is shown")
	}
	dir := filepath.Join(t.TempDir(), "plots")
	if err := tb.plots(dir); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "peers-cpu.svg"))
	if err != nil || !strings.Contains(string(svg), ">ours<") || strings.Count(string(svg), "<circle") != 3 {
		t.Errorf("%v:\n%s", err, svg)
	}
}

func TestMQTT_PacketsComeInPieces(t *testing.T) {
	packet := appendPacket(nil, mqttPublish, appendText(nil, strings.Repeat("x", 300)))
	for n := range packet {
		if _, _, size := nextPacket(packet[:n]); size != 0 {
			t.Fatalf("%d of %d bytes are a packet of %d", n, len(packet), size)
		}
	}
	kind, body, size := nextPacket(append(packet, 1, 2, 3))
	if kind != mqttPublish || len(body) != 302 || size != len(packet) {
		t.Errorf("kind %#x, %d bytes of %d", kind, len(body), size)
	}
}
