package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	generator "github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/bench/plot"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

// loadAbout is the help of load.
const loadAbout = `Connects many users to a running server and reports how fast it is and what that costs it.
MODE is one of

  pairs    users in pairs answer each other
  oneway   half of the users write to the other half
  idle     users connect and stay: what does each take of the server's memory?
  connect  users log in and connect as fast as they can
  churn    every other user connects, sends one message and leaves, --messages times
  offline  16 users fill the mailboxes of the others, who then come and drain them

Every message is checked: it must come once, in order, unchanged, and to the right user.
Exit status: 0 if all was well, 1 if something was not or the run could not be done, 2 for wrong settings.`

// loadSettings is what load can be told.
type loadSettings struct {
	generator.Config
	users []int
	json  bool
	plot  string
}

func loadCommand() *command {
	return &command{
		name:     "load",
		args:     "MODE [SETTINGS]",
		summary:  "make load on a server, and report what it costs",
		about:    loadAbout,
		settings: func() settings.Table { return new(loadSettings).table() },
		run:      runLoad,
	}
}

// table describes every setting of load.
func (c *loadSettings) table() settings.Table {
	d := generator.Defaults()
	number := func(n int) string { return strconv.Itoa(n) }
	long := settings.Duration(0, 24*time.Hour)
	return settings.Table{
		{Name: "server", Default: "http://127.0.0.1:8080", Set: settings.Into(&c.Server, settings.Text),
			Usage: "address of the server, http://HOST:PORT"},
		{Name: "pid", Default: "0", Set: settings.Into(&c.PID, settings.Int(0, anyCount)),
			Usage: "process of the server, on this machine, whose CPU time and memory are reported; 0 for none"},
		{Name: "users", Default: number(d.Users), Set: settings.Into(&c.users, counts),
			Usage: "users in all; several numbers, separated by commas, for a run with each"},
		{Name: "profile", Default: d.Profile, Set: settings.Into(&c.Profile, settings.OneOf(generator.Plain, generator.V1)),
			Usage: "plain, or v1 for enigma.v1 with acks"},
		{Name: "in-flight", Default: number(d.InFlight), Set: settings.Into(&c.InFlight, settings.Int(1, 1<<16)),
			Usage: "messages under way per pair (pairs), or unacknowledged per sender (offline)"},
		{Name: "rate", Default: "off", Set: settings.Into(&c.Rate, messageRate),
			Usage: "messages per second of all users together (pairs, oneway), such as 40000/s; off for as fast as it goes"},
		{Name: "size", Default: number(d.Size), Set: settings.Into(&c.Size, settings.Int(generator.MinSize, 16<<20)),
			Usage: "bytes of a payload"},
		{Name: "receivers", Default: number(d.Receivers), Set: settings.Into(&c.Receivers, settings.Int(0, anyCount)),
			Usage: "how many of the users receive (oneway); 0 for half"},
		{Name: "senders", Default: number(d.Senders), Set: settings.Into(&c.Senders, settings.Int(1, anyCount)),
			Usage: "how many of the users send (offline)"},
		{Name: "messages", Default: number(d.Messages), Set: settings.Into(&c.Messages, settings.Int(1, anyCount)),
			Usage: "visits per user (churn), or messages per mailbox (offline)"},
		{Name: "warmup", Default: d.Warmup.String(), Set: settings.Into(&c.Warmup, long),
			Usage: "time before messages count (pairs, oneway)"},
		{Name: "duration", Default: d.Duration.String(), Set: settings.Into(&c.Duration, settings.Duration(time.Millisecond, 24*time.Hour)),
			Usage: "time in which messages count (pairs, oneway)"},
		{Name: "settle", Default: d.Settle.String(), Set: settings.Into(&c.Settle, long),
			Usage: "how long the users stay (idle)"},
		{Name: "patience", Default: d.Patience.String(), Set: settings.Into(&c.Patience, settings.Duration(time.Millisecond, time.Hour)),
			Usage: "how long to wait for what does not come"},
		{Name: "handshakes", Default: number(d.Handshakes), Set: settings.Into(&c.Handshakes, settings.Int(1, 1<<16)),
			Usage: "connections being made at a time"},
		{Name: "workers", Default: number(d.Workers), Set: settings.Into(&c.Workers, settings.Int(1, 1024)),
			Usage: "threads that make the load; one does for a server on the same machine"},
		{Name: "json", Default: "false", Set: settings.Into(&c.json, strconv.ParseBool),
			Usage: "write the results as JSON", Switch: true},
		{Name: "plot", Set: settings.Into(&c.plot, settings.Text),
			Usage: "directory for plots (SVG) of throughput, latency and memory against connections"},
	}
}

// counts takes numbers of users.
func counts(text string) (all []int, err error) {
	for item := range strings.SplitSeq(text, ",") {
		n, err := settings.Int(2, anyCount)(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// messageRate takes so many a second, or "off", which is 0.
func messageRate(text string) (float64, error) {
	n, err := settings.Rate(text)
	return float64(n), err
}

// loadSettingsFrom reads the mode and the settings of load. Errors are usage errors.
func loadSettingsFrom(sys *system, args []string) (*loadSettings, error) {
	c := new(loadSettings)
	rest, err := loadMixed(c.table(), args, sys.environ)
	if err != nil {
		return nil, err
	}
	switch len(rest) {
	case 0:
		err = fmt.Errorf("no mode: write `enigma load MODE`, which is %s", strings.Join(generator.Modes, ", "))
	case 1:
		c.Mode = rest[0]
		for _, n := range c.users {
			c.Users = n
			err = errors.Join(err, c.Config.Check())
		}
	default:
		err = fmt.Errorf("load takes one mode and settings: what is %q to be? Write --NAME VALUE", rest[1])
	}
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// runLoad makes one run for each number of users.
func runLoad(sys *system, args []string) error {
	c, err := loadSettingsFrom(sys, args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	progress := newProgress(sys.err)
	c.Logf = progress.logf
	results := []*generator.Result{}
	var errs []error
	for _, n := range c.users {
		c.Users = n
		result, err := generator.Run(ctx, c.Config)
		progress.clear()
		if result != nil {
			results = append(results, result)
			if !c.json {
				result.Write(sys.out)
			}
		}
		if err != nil {
			errs = append(errs, err)
			break
		}
		errs = append(errs, result.Err())
	}
	if c.json {
		encoder := json.NewEncoder(sys.out)
		encoder.SetIndent("", "  ")
		errs = append(errs, encoder.Encode(results))
	}
	if c.plot != "" && len(results) > 0 {
		errs = append(errs, plot.Results(c.plot, results))
	}
	return errors.Join(errs...)
}

// progress is a line on a terminal that is written again and again, and nothing elsewhere.
type progress struct{ w io.Writer }

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &progress{w}
		}
	}
	return &progress{io.Discard}
}

const clearLine = "\r\x1b[K"

func (p *progress) logf(format string, args ...any) { fmt.Fprintf(p.w, clearLine+format, args...) }

func (p *progress) clear() { io.WriteString(p.w, clearLine) }
