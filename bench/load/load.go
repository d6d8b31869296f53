// Package load makes load: it connects many users to a server, has them write to each other, and reports how fast it
// went, what it cost the server, and whether every message came where it should, once and in order.
//
// Users live on workers, one goroutine each, that wait on epoll (on other systems than Linux a goroutine per connection
// reads). A worker shares nothing with the others while it runs. It allocates nothing per message, so that on a machine
// that it shares with the server it takes as little as it can of what it measures.
//
// Every payload carries the run, the flow (from whom to whom), a number and the time at which it was sent, or, when the
// rate is given, at which it was due: a server that falls behind does not thereby get fewer or later messages, and the
// wait shows in the latency. The [Result] lists whatever was lost, repeated, out of order, changed, acknowledged
// wrongly or brought to somebody else.
//
// What a server speaks is a [Dialect]; those of this project's wire contract are here, others may be given.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The modes.
const (
	Pairs   = "pairs"   // users in pairs answer each other
	Oneway  = "oneway"  // senders to receivers
	Idle    = "idle"    // users connect and stay
	Connect = "connect" // users log in and connect as fast as they can
	Churn   = "churn"   // every other user connects, sends one message and leaves, many times
	Offline = "offline" // senders fill the mailboxes of users that are away, who then come and drain them
)

// Modes lists the modes.
var Modes = []string{Pairs, Oneway, Idle, Connect, Churn, Offline}

// Config says what to do.
type Config struct {
	Mode    string
	Server  string                        // http://HOST:PORT
	PID     int                           // of the server, to report its CPU time and memory; 0 to leave that out
	Profile string                        // Plain or V1; in Offline of those that drain, for only V1 senders get acks
	Dialect func(index int) Dialect       // of the index-th worker; nil for the one of Profile
	Logf    func(format string, a ...any) // told of the progress now and then; nil for nobody

	Users      int           // in all
	Receivers  int           // Oneway: how many of the users receive; 0 for half
	Senders    int           // Offline: how many users send; the others are away
	InFlight   int           // Pairs: messages under way per pair. Offline: unacknowledged per sender
	Rate       float64       // Pairs, Oneway: messages per second in all; 0 for as fast as it goes
	Size       int           // bytes of a payload
	Messages   int           // Churn: rounds per user. Offline: messages per mailbox
	Warmup     time.Duration // Pairs, Oneway: before anything counts
	Duration   time.Duration // Pairs, Oneway: what counts
	Total      int           // Pairs: so many messages instead of a time, without a warm-up; 0 for a time
	Settle     time.Duration // Idle: how long the users stay
	Patience   time.Duration // how long nothing may happen where something should
	Handshakes int           // connections that are being made at a time
	Workers    int           // goroutines

	goroutines bool // do without epoll where there is one, for tests
}

// Defaults is a Config in which only Mode, Server and PID are left to be said.
func Defaults() Config {
	return Config{
		Profile: Plain, Users: 1000, Senders: 16, InFlight: 1, Size: 200, Messages: 100,
		Warmup: time.Second, Duration: 10 * time.Second, Settle: 5 * time.Second, Patience: 15 * time.Second,
		Handshakes: 64, Workers: 1,
	}
}

// Check finds what cannot be done, and says what to write instead.
func (c Config) Check() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(!slices.Contains(Modes, c.Mode), "no mode is called %q: write %s", c.Mode, strings.Join(Modes, ", "))
	wrong(c.Profile != Plain && c.Profile != V1, "no profile is called %q: write plain or v1", c.Profile)
	wrong(c.Users < 2, "%d users: write 2 or more", c.Users)
	wrong(c.Workers < 1 || c.Workers > c.Users/2, "%d workers for %d users: write 1 or more, and at most half as many as users", c.Workers, c.Users)
	wrong(c.Size < MinSize, "payloads of %d bytes do not hold what is checked: write %d or more", c.Size, MinSize)
	wrong(c.Handshakes < 1 || c.InFlight < 1 || c.Messages < 1, "bounds of zero: write 1 or more")
	wrong(c.Rate < 0 || c.Total < 0 || c.Warmup < 0 || c.Settle < 0 || c.Duration <= 0 || c.Patience <= 0, "times and rates below zero: write more")
	if c.Mode == Pairs || c.Mode == Churn {
		wrong(c.Users%2 != 0, "%d users do not make pairs: write an even number", c.Users)
	}
	if n := c.receivers(); c.Mode == Oneway {
		wrong(n < c.Workers || c.Users-n < n, "%d of %d users receive: write at most half, and one per worker or more", n, c.Users)
	}
	if c.Mode == Offline {
		wrong(c.Senders < c.Workers || c.Users-c.Senders < c.Senders, "%d of %d users send: write at most half, and one per worker or more", c.Senders, c.Users)
	}
	return errors.Join(errs...)
}

// receivers is how many users receive in Oneway.
func (c Config) receivers() int {
	if c.Receivers == 0 {
		return c.Users / 2
	}
	return c.Receivers
}

// parseServer returns where to connect and what to call it.
func parseServer(server string) (netip.AddrPort, string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "ws" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return netip.AddrPort{}, "", fmt.Errorf("%q is no server: write http://HOST:PORT (there is no TLS here)", server)
	}
	target, err := resolve(u)
	return target, u.Host, err
}
