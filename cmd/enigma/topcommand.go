package main

import (
	"errors"
	"os"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/cmd/enigma/top"
)

const topAbout = `Shows what a running server does, second by second: connections, messages in, delivered and
parked, how long they take, memory, each with its last minutes as a curve. It asks the server's
admin listener, see --admin of serve; q ends it.

  enigma top
  enigma top --once                     # one table of NAME and VALUE, for scripts
  enigma top --admin 10.0.0.7:9090 --interval 5s`

// topSettings is what top can be told.
type topSettings struct {
	admin    string
	interval time.Duration
	once     bool
}

func topCommand() *command {
	return &command{
		name:     "top",
		args:     "[SETTINGS]",
		summary:  "watch a running server in the terminal",
		about:    topAbout,
		settings: func() settings.Table { return new(topSettings).table() },
		run:      runTop,
	}
}

func (c *topSettings) table() settings.Table {
	return settings.Table{
		{Name: "admin", Default: "127.0.0.1:9090", Set: settings.Into(&c.admin, settings.HostPortOrOff),
			Usage: "address of the server's admin listener, HOST:PORT"},
		{Name: "interval", Default: "1s", Set: settings.Into(&c.interval, settings.Duration(50*time.Millisecond, time.Hour)),
			Usage: "time between two readings"},
		{Name: "once", Default: "false", Set: settings.Into(&c.once, yesOrNo), Switch: true,
			Usage: "print what one interval brought, and end"},
	}
}

func runTop(sys *system, args []string) error {
	c := new(topSettings)
	rest, err := loadMixed(c.table(), args, sys.environ)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return usageError{errors.New("top takes settings only: write --admin HOST:PORT")}
	case c.admin == "":
		return usageError{errors.New("--admin is off: a server without an admin listener cannot be watched")}
	}
	ctx, stop := interruptible()
	defer stop()
	cfg := top.Config{Admin: c.admin, Interval: c.interval, In: os.Stdin, Out: sys.out, Env: sys.environ}
	if c.once {
		return top.Once(ctx, cfg)
	}
	if !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) {
		return errors.New("top needs a terminal: scripts use `enigma top --once`")
	}
	return top.Run(ctx, cfg)
}
