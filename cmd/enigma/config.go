package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

// Config is what serve can be told. Names, defaults and meanings stand in [Config.table] and nowhere else.
type Config struct {
	Listen  string   // host:port
	Store   storeURL // which store, and where
	Auth    actors.Auth
	Hosts   []string // that clients dial, as proofs name them; nil for none known
	Origins []string // allowed browser origins; nil for any
	TLSCert string   // PEM files; both or none
	TLSKey  string
	Admin   string // host:port; empty for off

	AdminHosts []string // names by which Admin is asked, beside localhost

	MaxMessage      int64 // bytes
	MailboxMessages int
	MailboxBytes    int64
	TTL             time.Duration

	ConfirmInterval time.Duration
	SpillAfter      time.Duration
	IdleTimeout     time.Duration
	CreditMessages  int
	CreditBytes     int64
	OutboxBytes     int64

	RateLogins    int // per second and source address; 0 for no bound
	RateMessages  int // per second and conn; 0 for no bound
	MaxConns      int // all together; 0 for what the open files allow
	MaxConnsPerIP int
	TrustedProxy  []netip.Prefix

	EventLoop string // auto, epoll or goroutines

	Memory  int64 // bytes
	MinFree int64 // bytes; 0 for what the store itself thinks right

	ShutdownTimeout time.Duration
	LogLevel        slog.Level
	LogFormat       string
}

// The bounds of sizes, where nothing else bounds them: far above use, far below where arithmetic would overflow.
const (
	anyCount = math.MaxInt32
	anySize  = 1 << 50
)

// table describes every setting of serve.
func (c *Config) table() settings.Table {
	return settings.Table{
		{Name: "listen", Default: "127.0.0.1:8080", Set: settings.Into(&c.Listen, settings.HostPort),
			Usage: "address to serve on, HOST:PORT; port 0 picks a free one"},
		{Name: "store", Default: "./enigma-data", Set: settings.Into(&c.Store, parseStore),
			Usage: "where undelivered mail and keys are kept: a directory, redis://HOST:PORT, rediss://, redis+sentinel://, or memory, which nothing survives"},
		{Name: "auth", Default: "lock", Set: settings.Into(&c.Auth, parseAuth),
			Usage: "who must prove possession of the private key to connect: lock, whoever has done so once; require, everybody; open, nobody"},
		{Name: "public-host", Set: settings.Into(&c.Hosts, parseHosts),
			Usage: "hosts that clients dial, each with its port unless that is 443 or 80, separated by commas: proofs for others are refused, so that no other server can pass them on"},
		{Name: "origin", Default: "*", Set: settings.Into(&c.Origins, settings.Origins),
			Usage: "web origins whose pages may connect, separated by commas"},
		{Name: "tls-cert", Set: settings.Into(&c.TLSCert, settings.Text),
			Usage: "PEM file with the certificate chain, for TLS in this process; read again when it changes and on SIGHUP"},
		{Name: "tls-key", Set: settings.Into(&c.TLSKey, settings.Text),
			Usage: "PEM file with the key of the certificate"},
		{Name: "admin", Default: "127.0.0.1:9090", Set: settings.Into(&c.Admin, settings.HostPortOrOff),
			Usage: "address for the dashboard, metrics, health and profiles, not for the public; or off"},
		{Name: "admin-host", Set: settings.Into(&c.AdminHosts, parseAdminHosts),
			Usage: "names by which that address is asked beside localhost, separated by commas, or * for any: the others may be a trick of a web page"},

		{Name: "max-message", Default: "128KiB", Set: settings.Into(&c.MaxMessage, settings.Size(1<<10, 16<<20)),
			Usage: "largest message, everything in its frames counted"},
		{Name: "mailbox-messages", Default: "1000", Set: settings.Into(&c.MailboxMessages, settings.Int(1, anyCount)),
			Usage: "undelivered messages kept per user"},
		{Name: "mailbox-bytes", Default: "16MiB", Set: settings.Into(&c.MailboxBytes, settings.Size(1<<10, anySize)),
			Usage: "undelivered bytes kept per user"},
		{Name: "ttl", Default: "720h", Set: settings.Into(&c.TTL, settings.Duration(time.Second, 10*365*24*time.Hour)),
			Usage: "how long an undelivered message is kept"},

		{Name: "confirm-interval", Default: "100ms", Set: settings.Into(&c.ConfirmInterval, settings.Duration(time.Millisecond, time.Minute)),
			Usage: "least time between two Pings that confirm messages riding with data"},
		{Name: "spill-after", Default: "1s", Set: settings.Into(&c.SpillAfter, settings.Duration(10*time.Millisecond, time.Hour)),
			Usage: "how long a sent message may stay unconfirmed before it is stored"},
		{Name: "idle-timeout", Default: "60s", Set: settings.Into(&c.IdleTimeout, settings.Duration(time.Second, 24*time.Hour)),
			Usage: "silence after which a connection is pinged; after three times that it is dropped"},
		{Name: "credit-messages", Default: "256", Set: settings.Into(&c.CreditMessages, settings.Int(1, anyCount)),
			Usage: "messages of one connection that may be under way before it is read no further"},
		{Name: "credit-bytes", Default: "1MiB", Set: settings.Into(&c.CreditBytes, settings.Size(1<<10, 1<<30)),
			Usage: "bytes of one connection that may be under way before it is read no further"},
		{Name: "outbox-bytes", Default: "256KiB", Set: settings.Into(&c.OutboxBytes, settings.Size(1<<10, 1<<30)),
			Usage: "unconfirmed bytes held in memory per connection; more goes to the store"},

		{Name: "rate-logins", Default: "20/s", Set: settings.Into(&c.RateLogins, settings.Rate),
			Usage: "logins per source address, loopback exempt; or off"},
		{Name: "rate-messages", Default: "2000/s", Set: settings.Into(&c.RateMessages, settings.Rate),
			Usage: "messages per connection, loopback exempt; or off"},
		{Name: "max-conns", Default: "auto", Set: settings.Into(&c.MaxConns, settings.IntOrAuto(1, anyCount)),
			Usage: "connections in all; auto is what the limit of open files leaves beside the store's"},
		{Name: "max-conns-per-ip", Default: "10000", Set: settings.Into(&c.MaxConnsPerIP, settings.Int(1, anyCount)),
			Usage: "connections per source address, loopback exempt"},
		{Name: "trusted-proxy", Set: settings.Into(&c.TrustedProxy, settings.Prefixes),
			Usage: "networks whose X-Forwarded-For is believed, separated by commas; loopback always is"},

		{Name: "event-loop", Default: "auto", Set: settings.Into(&c.EventLoop, parseEventLoop),
			Usage: "what connections wait on: epoll, which is Linux's; goroutines, one each, which takes several times the memory; auto is epoll where it is. Connections with TLS of this process always take goroutines"},
		{Name: "memory", Default: "25%", Set: settings.Into(&c.Memory, settings.Share(machineMemory(), 16<<20)),
			Usage: "memory for messages on their way, all connections together: a size or a share of the machine's (or the container's)"},
		{Name: "min-free", Default: "auto", Set: settings.Into(&c.MinFree, parseMinFree),
			Usage: "free disk below which no more mail is stored (embedded store); auto is what the store needs to gain space again, 128MiB"},

		{Name: "shutdown-timeout", Default: "10s", Set: settings.Into(&c.ShutdownTimeout, settings.Duration(time.Second, time.Hour)),
			Usage: "time for an orderly stop after SIGTERM or SIGINT"},
		{Name: "log-level", Default: "info", Set: settings.Into(&c.LogLevel, parseLevel),
			Usage: "debug, info, warn or error"},
		{Name: "log-format", Default: "text", Set: settings.Into(&c.LogFormat, settings.OneOf("text", "json")),
			Usage: "text or json; the log goes to stderr"},
	}
}

// loadConfig reads the configuration of serve. Errors are usage errors.
func loadConfig(sys *system, args []string) (*Config, []string, error) {
	var c Config
	loaded, err := c.table().Load(args, sys.environ)
	switch {
	case errors.Is(err, settings.ErrHelp):
		return nil, nil, err
	case err == nil && len(loaded.Args) > 0:
		err = fmt.Errorf("serve takes settings only: what is %q to be? Write --NAME VALUE", loaded.Args[0])
	case err == nil:
		err = c.check()
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	return &c, loaded.Warnings, nil
}

// check finds values that are right alone and wrong together.
func (c *Config) check() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	size := settings.FormatSize
	wrong((c.TLSCert == "") != (c.TLSKey == ""), "--tls-cert and --tls-key belong together: write both or neither")
	wrong(c.Admin == c.Listen && !anyPort(c.Listen), "--admin and --listen are both %s: write another port, or --admin off", c.Listen)
	wrong(c.MailboxBytes < c.MaxMessage, "--mailbox-bytes %s does not hold one message of --max-message %s: write at least as much",
		size(c.MailboxBytes), size(c.MaxMessage))
	wrong(c.OutboxBytes > c.Memory, "--outbox-bytes %s exceeds --memory %s: write at most as much", size(c.OutboxBytes), size(c.Memory))
	wrong(c.SpillAfter < c.ConfirmInterval, "--spill-after %s is shorter than --confirm-interval %s: every message would be stored; write at least as much",
		c.SpillAfter, c.ConfirmInterval)
	return errors.Join(errs...)
}

// parseAuth takes the name of a policy on proofs.
func parseAuth(text string) (actors.Auth, error) {
	policies := map[string]actors.Auth{"lock": actors.AuthLock, "require": actors.AuthRequire, "open": actors.AuthOpen}
	name, err := settings.OneOf("lock", "require", "open")(text)
	return policies[name], err
}

// parseHosts takes a list of hosts with an optional port; empty is none.
func parseHosts(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var hosts []string
	for item := range strings.SplitSeq(text, ",") {
		host, ok := protocol.Authority(strings.TrimSpace(item))
		if !ok {
			return nil, fmt.Errorf("%q is no host: write what clients dial, such as chat.example or chat.example:8443, separated by commas", item)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// parseAdminHosts takes a list of host names without ports; empty is none.
func parseAdminHosts(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var hosts []string
	for item := range strings.SplitSeq(text, ",") {
		host := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(item), "."))
		if host == "" || strings.ContainsAny(host, ":/@ []") {
			return nil, fmt.Errorf("%q is no name: write what stands in the address bar without its port, such as enigma.internal, separated by commas, or *", item)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// parseMinFree takes a size, or "auto", which is 0.
func parseMinFree(text string) (int64, error) {
	if text == "auto" {
		return 0, nil
	}
	n, err := settings.Size(1<<20, anySize)(text)
	if err != nil {
		err = fmt.Errorf("%w, or auto", err)
	}
	return n, err
}

// parseLevel takes the name of a log level.
func parseLevel(text string) (slog.Level, error) {
	name, err := settings.OneOf("debug", "info", "warn", "error")(text)
	if err != nil {
		return 0, err
	}
	var level slog.Level
	return level, level.UnmarshalText([]byte(name))
}
