package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

// healthURL is asked if nothing else is said: the front end's own address, for the admin listener may be off.
const healthURL = "http://127.0.0.1:8080/readyz"

func healthCommand() *command {
	var timeout time.Duration
	table := func() settings.Table {
		return settings.Table{{Name: "timeout", Default: "3s", Set: settings.Into(&timeout, settings.Duration(time.Millisecond, time.Hour)),
			Usage: "how long the answer may take"}}
	}
	return &command{
		name:    "health",
		args:    "[URL] [SETTINGS]",
		summary: "ask a server whether it is well, for a container that has no curl",
		about: "Asks for URL, " + healthURL + " if there is none, and ends with status 0 if the answer is 200.\n" +
			"/readyz is well if the store answers and connections are taken, /healthz if the process does.",
		settings: table,
		run: func(sys *system, args []string) error {
			url := healthURL
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				url, args = args[0], args[1:]
			}
			loaded, err := table().Load(args, sys.environ)
			switch {
			case errors.Is(err, settings.ErrHelp):
				return err
			case err == nil && len(loaded.Args) > 0:
				err = errors.New("health takes one URL: write `enigma health http://127.0.0.1:8080/readyz`")
			case err == nil && !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://"):
				err = fmt.Errorf("%q is no URL: write such as %s", url, healthURL)
			}
			if err != nil {
				return usageError{err}
			}
			return askHealth(sys.out, url, timeout)
		},
	}
}

// askHealth writes the answer, and returns an error unless it is 200.
func askHealth(w io.Writer, url string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError{err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return mail.Unreachable(url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	answer := mail.CleanLine(strings.TrimSpace(string(text))) // it may be no server of ours, and this a terminal
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", mail.CleanLine(resp.Status), answer)
	}
	_, err = fmt.Fprintln(w, answer)
	return err
}
