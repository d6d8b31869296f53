package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// Config is what [Run] is told.
type Config struct {
	Server string
	Key    *client.Key
	Book   *mail.Book // the contacts; Run owns it
	In     *os.File   // the terminal
	Out    io.Writer
	Env    []string // NO_COLOR and TERM count
}

// Run shows the interface until the user ends it, or ctx ends. It restores the terminal.
func Run(ctx context.Context, cfg Config) error {
	self, err := seal.NewSelf(cfg.Key.Private())
	if err != nil {
		return fmt.Errorf("%w: make a key with `enigma keygen`", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := &link{cfg: cfg, again: make(chan struct{}, 1), done: make(chan struct{}), seen: make(map[string][]string)}
	m := &model{cfg: cfg, self: self, book: cfg.Book, ctx: ctx, again: k.again, styles: newStyles()}
	for _, contact := range cfg.Book.Contacts {
		u, err := seal.NewUser(contact.ID, contact.PublicKey)
		if err != nil {
			return err
		}
		m.convs = append(m.convs, &conv{contact: contact, user: u})
		k.users = append(k.users, u)
		k.seen[contact.ID] = append([]string(nil), contact.Seen...)
	}
	// The library's own ways to end by a context or a signal kill the program: they leave its reader of the terminal
	// running, and can wait for each other.
	options := []tea.ProgramOption{tea.WithoutSignalHandler(), tea.WithInput(cfg.In), tea.WithOutput(cfg.Out), tea.WithEnvironment(cfg.Env)}
	if noColor(cfg.Env) {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	p := tea.NewProgram(m, options...)
	k.tell = func(msg tea.Msg) { p.Send(msg) }
	go k.run(ctx)
	stop := context.AfterFunc(ctx, p.Quit)
	_, err = p.Run()
	stop()
	cancel()
	<-k.done
	return errors.Join(err, cfg.Book.Save())
}

// noColor tells whether the environment asks for none (https://no-color.org): whatever the variable's value is.
func noColor(env []string) bool {
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, "NO_COLOR="); found && value != "" {
			return true
		}
	}
	return false
}
