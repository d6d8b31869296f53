package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

const listenAbout = `Prints what comes for you, a line of JSON for each, and confirms it to the server after the line
was written: what was not written comes again next time. The sender gets a receipt.

  $ enigma listen
  {"type":"text","from":"fpma…","id":"wZ6…","time":1767225600000,"seq":1,"text":"hello"}

  enigma listen --count 1 --timeout 1m | jq -r .text     # wait for one text
  enigma listen | while read -r line; do …; done         # do something with each

The type is "text"; "receipt", for texts of yours, with their "ids"; or "unreadable", with the
"reason" and the "payload", for what is not encrypted for you by its sender. Characters that could
play tricks with a terminal are escaped in the JSON. A text that the server delivers twice is
printed once, as long as the program runs.

A key has one connection at a time: a second listen, a chat or a send with the same key ends this
one.

Exit status: 0 after --count texts, or without --count after --timeout or an interrupt; else 1, 2
for a wrong command line.`

// listenSettings is what listen can be told.
type listenSettings struct {
	userSettings
	count   int
	timeout time.Duration
}

func listenCommand() *command {
	return &command{
		name:     "listen",
		args:     "[SETTINGS]",
		summary:  "print what comes, decrypted, as lines of JSON",
		about:    listenAbout,
		settings: func() settings.Table { return new(listenSettings).table() },
		run:      runListen,
	}
}

func (c *listenSettings) table() settings.Table {
	return append(c.userSettings.table(), settings.Table{
		{Name: "count", Default: "0", Set: settings.Into(&c.count, settings.Int(0, math.MaxInt32)),
			Usage: "end after so many texts; 0 for never"},
		{Name: "timeout", Default: "0s", Set: settings.Into(&c.timeout, settings.Duration(0, 24*time.Hour)),
			Usage: "end after this time; 0s for never"},
	}...)
}

func runListen(sys *system, args []string) error {
	c := new(listenSettings)
	rest, err := loadMixed(c.table(), args, sys.environ)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{errors.New("listen takes settings only: write --NAME VALUE")}
	}
	key, err := c.load(sys)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	warn := func(text string) { fmt.Fprintf(sys.err, "enigma: WARNING: %s\n", text) }
	return mail.Listen(ctx, mail.ListenConfig{Server: c.server, Key: key, Count: c.count, Timeout: c.timeout, Out: sys.out, Warn: warn})
}
