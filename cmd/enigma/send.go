package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

const sendAbout = `Sends a text, encrypted so that only the recipient can read it, and waits until it is safe: stored
durably by the server, or confirmed by the recipient. TO is an id, or the name of a contact of
your chat. TEXT is the text; without it, or with -, it is what comes in on standard input. Prints
"safe", or "delivered" with --wait-delivered.

  enigma send qg3dpwh42ldnuy2z42ldce5bc4g6pfpe "the backup is done"
  df -h | enigma send bob
  enigma send bob "are you there?" --wait-delivered --timeout 1m

With --json-lines every line of standard input is a text, and a line is printed for each, in
order:

  $ echo '{"to":"bob","text":"hello"}' | enigma send --json-lines
  {"id":"wZ6…","to":"qg3dpwh42ldnuy2z42ldce5bc4g6pfpe","status":"safe"}

The status is "safe", "delivered" or "failed" with an "error". A line may have an "id", 22
characters of base64url: the same text again with the same id arrives once.

A key has one connection at a time: sending ends a listen or chat that runs with the same key.
Give a script a key of its own.

Exit status: 0 only if all is safe (delivered, with --wait-delivered), 1 if not, 2 for a wrong
command line.`

// sendSettings is what send can be told.
type sendSettings struct {
	userSettings
	timeout       time.Duration
	waitDelivered bool
	jsonLines     bool
}

func sendCommand() *command {
	return &command{
		name:     "send",
		args:     "TO [TEXT] [SETTINGS]",
		summary:  "send an encrypted text, or one per line",
		about:    sendAbout,
		settings: func() settings.Table { return new(sendSettings).table() },
		run:      runSend,
	}
}

func (c *sendSettings) table() settings.Table {
	return append(c.userSettings.table(), settings.Table{
		{Name: "timeout", Default: "30s", Set: settings.Into(&c.timeout, patience),
			Usage: "how long to wait for one text to be safe, or delivered"},
		{Name: "wait-delivered", Default: "false", Set: settings.Into(&c.waitDelivered, yesOrNo),
			Usage: "wait until the recipient's program has acknowledged the text", Switch: true},
		{Name: "json-lines", Default: "false", Set: settings.Into(&c.jsonLines, yesOrNo),
			Usage: `read a text from each line of standard input, {"to":"ID","text":"…"}`, Switch: true},
	}...)
}

func runSend(sys *system, args []string) error {
	c := new(sendSettings)
	rest, err := loadMixed(c.table(), args, sys.environ)
	if err != nil {
		return err
	}
	cfg := mail.SendConfig{Server: c.server, WaitDelivered: c.waitDelivered, Timeout: c.timeout, In: os.Stdin, Out: sys.out}
	switch {
	case c.jsonLines && len(rest) > 0:
		return usageError{errors.New(`with --json-lines each line says whom it is for: write {"to":"ID","text":"…"}`)}
	case !c.jsonLines && len(rest) == 0:
		return usageError{errors.New("to whom? Write `enigma send ID TEXT`")}
	case len(rest) > 2:
		return usageError{errors.New("send takes one text: put it in quotes, or write it to standard input")}
	}
	key, err := c.load(sys)
	if err != nil {
		return err
	}
	cfg.Key = key
	if cfg.Book, err = mail.LoadBook(mail.BookPath(c.key)); err != nil {
		return err
	}
	if !c.jsonLines {
		cfg.To = rest[0]
		if cfg.Text, err = text(rest[1:], os.Stdin); err != nil {
			return err
		}
	}
	ctx, stop := interruptible()
	defer stop()
	return mail.Send(ctx, cfg)
}

// text returns the text to send: the argument, or standard input, of which the line end at the end is no part.
func text(args []string, in io.Reader) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	all, err := io.ReadAll(io.LimitReader(in, seal.MaxText+3)) // a line end, and one byte to see that it is too long
	if err != nil {
		return "", fmt.Errorf("reading the text: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(all), "\n"), "\r"), nil
}
