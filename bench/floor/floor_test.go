//go:build linux

package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
)

// TestFloor_RelaysAllThatTheGeneratorSends runs the loop in a goroutine that ends with the test process.
func TestFloor_RelaysAllThatTheGeneratorSends(t *testing.T) {
	out, in := io.Pipe()
	go func() { in.CloseWithError(serve("127.0.0.1:0", in)) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	address, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !found {
		t.Fatalf("%q, %v", line, err)
	}
	cfg := load.Defaults()
	cfg.Server, cfg.Users, cfg.InFlight, cfg.Messages = address, 20, 4, 10
	cfg.Warmup, cfg.Duration, cfg.Settle = 0, 200*time.Millisecond, 0
	for _, size := range []int{load.MinSize, 200, 70_000} {
		for _, mode := range []string{load.Pairs, load.Oneway, load.Idle, load.Churn} {
			cfg.Mode, cfg.Size = mode, size
			r, err := load.Run(t.Context(), cfg)
			if err != nil || r.Err() != nil || r.Received != r.Sent {
				t.Errorf("%s with %d bytes: %v, %v, %d of %d messages", mode, size, err, r.Err(), r.Received, r.Sent)
			}
		}
	}
}
