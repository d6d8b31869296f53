package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport/client"
)

// userSettings is what every command that acts for a user can be told.
type userSettings struct {
	server string
	key    string // path of the key file
}

// defaultKey is where the key is that nobody names. "~/" stands for the home directory.
const defaultKey = "~/.config/enigma/key.pem"

func (c *userSettings) keySetting() settings.Setting {
	return settings.Setting{Name: "key", Default: defaultKey, Set: settings.Into(&c.key, keyPath),
		Usage: "file with the private key, as `enigma keygen` makes it"}
}

func (c *userSettings) table() settings.Table {
	return settings.Table{
		{Name: "server", Default: "http://127.0.0.1:8080", Set: settings.Into(&c.server, serverURL),
			Usage: "address of the server, http://HOST:PORT or https://HOST"},
		c.keySetting(),
	}
}

// serverURL takes the address of a server.
func serverURL(text string) (string, error) {
	scheme, host, found := strings.Cut(text, "://")
	if !found || host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, scheme) {
		return "", fmt.Errorf("%q is no address: write http://HOST:PORT or https://HOST", text)
	}
	return text, nil
}

// keyPath takes the path of a file, with ~/ for the home directory.
func keyPath(text string) (string, error) {
	rest, home := strings.CutPrefix(text, "~/")
	if !home {
		if text == "" {
			return "", errors.New("write the path of a key file")
		}
		return text, nil
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: write --key FILE", err)
	}
	return filepath.Join(dir, rest), nil
}

// load reads the key, and warns of a file that others may read.
func (c *userSettings) load(sys *system) (*client.Key, error) {
	key, err := client.LoadKey(c.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key file %s: make one with `enigma keygen`, or name another with --key FILE", c.key)
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(c.key); err == nil && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(sys.err, "enigma: others may read %s: chmod 600 %s\n", c.key, c.key)
	}
	return key, nil
}

// loadMixed is Table.Load for commands with arguments of their own, which may stand before, between and behind the flags.
// A switch may stand without a value, and is "true" then. Errors are usage errors.
func loadMixed(table settings.Table, args, environ []string) ([]string, error) {
	var flags, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		name, _, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case len(arg) < 2 || arg[0] != '-':
			rest = append(rest, arg)
		case !joined && table.Switch(name):
			flags = append(flags, arg+"=true")
		case joined || name == "h" || name == "help" || i+1 == len(args):
			flags = append(flags, arg)
		default:
			flags = append(flags, arg, args[i+1])
			i++
		}
	}
	_, err := table.Load(flags, environ)
	if err != nil && !errors.Is(err, settings.ErrHelp) {
		return nil, usageError{err}
	}
	return rest, err
}

// interruptible returns a context that ends when somebody wants the program to.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// Parsers of settings that several of these commands have.
var (
	yesOrNo  = strconv.ParseBool
	patience = settings.Duration(time.Millisecond, 24*time.Hour)
)
