package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport/client"
)

const keygenAbout = `Makes a user: a new X25519 key pair. The private key goes to FILE, which only you may read and
which must not exist yet; without FILE it is where the other commands look for it. Prints the
user's id, which is what others need to write to you. Keep the file: without it the id is lost,
and who has a copy can read your mail.

  enigma keygen                  # makes ~/.config/enigma/key.pem
  enigma keygen backup-bot.pem   # another user`

func keygenCommand() *command {
	return &command{
		name:     "keygen",
		args:     "[FILE] [SETTINGS]",
		summary:  "make a key: a new user",
		about:    keygenAbout,
		settings: func() settings.Table { return settings.Table{new(userSettings).keySetting()} },
		run:      runKeygen,
	}
}

func runKeygen(sys *system, args []string) error {
	var c userSettings
	rest, err := loadMixed(settings.Table{c.keySetting()}, args, sys.environ)
	if err != nil {
		return err
	}
	switch len(rest) {
	case 0:
		if err := os.MkdirAll(filepath.Dir(c.key), 0o700); err != nil {
			return err
		}
	case 1:
		c.key = rest[0]
	default:
		return usageError{errors.New("keygen makes one key: write `enigma keygen FILE`")}
	}
	key, err := client.GenerateKey()
	if err != nil {
		return err
	}
	if err := key.Save(c.key); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and stays as it is: its id would be lost. Write another name, or move it away", c.key)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(sys.err, "enigma: the key is in %s: keep it, and keep it to yourself. Your id:\n", c.key)
	_, err = fmt.Fprintln(sys.out, key.ID())
	return err
}

const idAbout = `Prints the id of a user: of the key in FILE, or of a public key such as x25519:…; without either,
your own. With --public-key it prints the public key instead. It asks no server: an id is a hash
of the key.

  enigma id                      # give it to who shall write to you
  enigma id backup-bot.pem
  enigma id x25519:hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo`

// idSettings is what id can be told.
type idSettings struct {
	userSettings
	publicKey bool
}

func (c *idSettings) table() settings.Table {
	return settings.Table{
		c.keySetting(),
		{Name: "public-key", Default: "false", Set: settings.Into(&c.publicKey, yesOrNo),
			Usage: "print the public key and not the id", Switch: true},
	}
}

func idCommand() *command {
	return &command{
		name:     "id",
		args:     "[FILE | PUBLICKEY] [SETTINGS]",
		summary:  "print the id of a key",
		about:    idAbout,
		settings: func() settings.Table { return new(idSettings).table() },
		run:      runID,
	}
}

func runID(sys *system, args []string) error {
	c := new(idSettings)
	rest, err := loadMixed(c.table(), args, sys.environ)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usageError{errors.New("id takes one key: write `enigma id FILE` or `enigma id PUBLICKEY`")}
	}
	var public string
	if len(rest) == 1 && isPublicKey(rest[0]) {
		public = rest[0]
		if _, provable := protocol.ParseProvableKey([]byte(public)); !provable {
			return fmt.Errorf("%.80q is no public key", public)
		}
	} else {
		if len(rest) == 1 {
			c.key = rest[0]
		}
		key, err := c.load(sys)
		if err != nil {
			return err
		}
		public = key.PublicKey()
	}
	if !c.publicKey {
		public = protocol.NewUserID([]byte(public)).String()
	}
	_, err = fmt.Fprintln(sys.out, public)
	return err
}

// isPublicKey tells whether an argument is meant as a public key and not as the name of a file.
func isPublicKey(arg string) bool {
	alg, _, typed := strings.Cut(arg, ":")
	return typed && (alg == protocol.AlgX25519 || alg == protocol.AlgP256 || alg == protocol.AlgEd25519)
}
