// Command peers measures this project's server beside others: the floor, NATS over WebSocket, and mosquitto over
// WebSocket with quality of service 0 and 1. All get the same load from the same generator, one after the other, several
// times round; the table shows medians, and their ratios to the floor of the same round.
//
// The promises differ, and the table says so: the floor and NATS deliver at most once and tell nobody, and so does
// mosquitto with quality of service 0; with 1, and for enigma with the plain profile, the recipient confirms; enigma.v1
// acknowledges to the sender when a message is safe.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
)

// options are what can be said on the command line.
type options struct {
	rounds   int
	duration time.Duration
	users    int
	idle     int
	only     string
	cases    string
	json     string
	plots    string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "times round; the table shows medians")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "time in which messages count, per run")
	flag.IntVar(&o.users, "users", 1000, "users")
	flag.IntVar(&o.idle, "idle", 10_000, "users of the idle runs")
	flag.StringVar(&o.only, "only", "", "servers to measure, by names separated by commas; empty for all. The floor always is")
	flag.StringVar(&o.cases, "cases", "", "loads to make, by names separated by commas; empty for all")
	flag.StringVar(&o.json, "json", "", "file for all results, as JSON")
	flag.StringVar(&o.plots, "plots", "", "directory for plots")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// inFlight are the messages under way per pair in the closed loops.
var inFlight = []int{1, 4, 16}

func pairsName(n int) string { return fmt.Sprintf("pairs-%d", n) }

// idleName is the scenario in which nothing is sent.
const idleName = "idle"

// scenario is a load that every server gets.
type scenario struct {
	name string
	set  func(*load.Config)
}

func scenarios(o *options) []scenario {
	all := []scenario{}
	for _, n := range inFlight {
		all = append(all, scenario{pairsName(n), func(c *load.Config) { c.Mode, c.InFlight = load.Pairs, n }})
	}
	for _, rate := range []int{1_000, 5_000, 20_000, 40_000} {
		all = append(all, scenario{fmt.Sprintf("rate-%d", rate), func(c *load.Config) { c.Mode, c.Rate = load.Oneway, float64(rate) }})
	}
	return append(all, scenario{idleName, func(c *load.Config) { c.Mode, c.Users = load.Idle, o.idle }})
}

func run(ctx context.Context, o *options) error {
	if err := raiseFileLimit(); err != nil {
		return err
	}
	bin, err := os.MkdirTemp("", "peers-bin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	if err := build(bin); err != nil {
		return err
	}
	t := newTable()
	var faults error
	for round := range o.rounds {
		faults = errors.Join(faults, t.round(ctx, o, round+1, bin))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	t.write(os.Stdout)
	if o.plots != "" {
		faults = errors.Join(faults, t.plots(o.plots))
	}
	if o.json != "" {
		faults = errors.Join(faults, writeJSON(o.json, t.results))
	}
	return faults
}

// round makes every load on every server, once. The error is what they did wrong.
func (t *table) round(ctx context.Context, o *options, number int, bin string) (faults error) {
	for _, s := range scenarios(o) {
		if o.cases != "" && !listed(o.cases, s.name) {
			continue
		}
		for _, p := range peers(bin) {
			if p.name != "floor" && o.only != "" && !listed(o.only, p.name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d: %s, %s\n", number, s.name, p.name)
			r, err := measure(ctx, o, &s, &p)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				faults = errors.Join(faults, fmt.Errorf("round %d: %s, %s: %w", number, s.name, p.name, err))
			}
			t.add(s.name, p.name, r)
		}
	}
	return faults
}

// listed reports whether a list separated by commas holds name.
func listed(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(item) == name {
			return true
		}
	}
	return false
}

// measure makes one run on a server of its own. The result, if there is one, holds even with an error, which is then
// what the server did wrong.
func measure(ctx context.Context, o *options, s *scenario, p *peer) (*load.Result, error) {
	server, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	cfg := load.Defaults()
	cfg.Users, cfg.Duration, cfg.Profile, cfg.Dialect = o.users, o.duration, p.profile, p.dialect
	cfg.Server, cfg.PID = server.url, server.cmd.Process.Pid
	s.set(&cfg)
	r, err := load.Run(ctx, cfg)
	if err == nil {
		err = r.Err()
	}
	return r, errors.Join(err, server.stop())
}

func writeJSON(file string, results any) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
