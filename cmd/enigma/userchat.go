package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/charmbracelet/x/term"

	"github.com/enigma-protocol/enigma/cmd/enigma/chat"
	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport/client"
)

const chatAbout = `A chat in the terminal, encrypted so that only the two who write can read it. Without a key file
one is made: you are a user then, and F1 in the chat tells the rest.

  enigma chat
  enigma chat --server https://chat.example --key work.pem

A text shows … until it is safe, ✓ once the server has it, ✓✓ when the other's program has shown
it. What you have not looked at stays with the server and comes again. Contacts are kept beside
the key, in FILE.contacts; texts are not kept. Colours are off with NO_COLOR=1.

A key has one connection at a time: a send, a listen or another chat with the same key takes it
over.`

func chatCommand() *command {
	return &command{
		name:     "chat",
		args:     "[SETTINGS]",
		summary:  "chat in the terminal, encrypted",
		about:    chatAbout,
		settings: func() settings.Table { return new(userSettings).table() },
		run:      runChat,
	}
}

func runChat(sys *system, args []string) error {
	c := new(userSettings)
	rest, err := loadMixed(c.table(), args, sys.environ)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{errors.New("chat takes settings only: whom to write to is added in it")}
	}
	if !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) {
		return errors.New("chat needs a terminal: scripts use `enigma send` and `enigma listen`")
	}
	if _, err := os.Stat(c.key); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(c.key), 0o700); err != nil {
			return err
		}
		if _, err := client.LoadOrGenerateKey(c.key); err != nil {
			return err
		}
	}
	key, err := c.load(sys)
	if err != nil {
		return err
	}
	book, err := mail.LoadBook(mail.BookPath(c.key))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return chat.Run(ctx, chat.Config{Server: c.server, Key: key, Book: book, In: os.Stdin, Out: os.Stdout, Env: sys.environ})
}
