package top

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
)

const (
	// answerWithin is how long a reading may take; the shortest that a busy server deserves.
	answerWithin = 5 * time.Second
	// maxReading bounds an answer, which has some 20 KiB.
	maxReading = 4 << 20
)

// Config is what [Run] and [Once] are told.
type Config struct {
	Admin    string        // HOST:PORT of the server's admin listener
	Interval time.Duration // between two readings
	In       *os.File      // the terminal; of Run only
	Out      io.Writer
	Env      []string
}

// url is where the readings are.
func (c *Config) url() string {
	host, port, err := net.SplitHostPort(c.Admin)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip.IsUnspecified()) {
		return "http://127.0.0.1:" + port // what listens everywhere is here too
	}
	return "http://" + c.Admin
}

// Once reads twice, an interval apart, and writes a line NAME VALUE for each row.
func Once(ctx context.Context, cfg Config) error {
	before, err := fetch(ctx, cfg.url())
	if err != nil {
		return err
	}
	select {
	case <-time.After(cfg.Interval):
	case <-ctx.Done():
		return ctx.Err()
	}
	now, err := fetch(ctx, cfg.url())
	if err != nil {
		return err
	}
	s := newSpan(before, now)
	for _, r := range rows {
		if _, err := fmt.Fprintf(cfg.Out, "%-*s  %s\n", nameWidth, r.name, r.text(r.of(s))); err != nil {
			return err
		}
	}
	return nil
}

// Run shows the table until the user ends it, or ctx ends. It restores the terminal.
func Run(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(cfg.Admin, cfg.Interval, func() (*admin.Reading, error) { return fetch(ctx, cfg.url()) })
	// See chat: the library's own ways to end by a context or a signal leave its reader of the terminal running.
	p := tea.NewProgram(m, tea.WithoutSignalHandler(), tea.WithInput(cfg.In), tea.WithOutput(cfg.Out), tea.WithEnvironment(cfg.Env))
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	_, err := p.Run()
	return err
}

// fetch asks for a reading.
func fetch(ctx context.Context, url string) (*admin.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics.json", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, mail.Unreachable(url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReading))
	if err != nil {
		return nil, err
	}
	r := new(admin.Reading)
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, r) != nil || len(r.Values) == 0 {
		said := mail.CleanLine(strings.TrimSpace(string(text[:min(len(text), 80)])))
		return nil, fmt.Errorf("%s is no admin listener of enigma, see --admin of serve (%s: %s)", url, resp.Status, said)
	}
	return r, nil
}
