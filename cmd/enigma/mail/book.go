package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// maxName bounds a contact's name, in characters.
const maxName = 24

// Contact is somebody the user knows.
type Contact struct {
	Name      string   `json:"name,omitempty"`
	ID        string   `json:"id"`
	PublicKey string   `json:"publicKey"`
	Verified  bool     `json:"verified,omitempty"` // the user has compared the safety number
	Seen      []string `json:"seen,omitempty"`     // ids of the last texts shown, so that they are not shown again
}

// Book is a user's contacts, kept in a file beside its key. It is owned by one goroutine.
type Book struct {
	path     string
	Contacts []*Contact
}

// BookPath is where the contacts of a key file's user are.
func BookPath(keyFile string) string { return keyFile + ".contacts" }

// LoadBook reads a file of contacts; without the file there are none. A contact whose key does not belong to its id is an
// error: somebody has changed the file.
func LoadBook(path string) (*Book, error) {
	b := &Book{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("contacts: %w", err)
	}
	if err := json.Unmarshal(text, &b.Contacts); err != nil {
		return nil, fmt.Errorf("contacts: %s: %w", path, err)
	}
	for _, c := range b.Contacts {
		if c == nil {
			return nil, fmt.Errorf("contacts: %s: an empty one", path)
		}
		if _, err := seal.NewUser(c.ID, c.PublicKey); err != nil {
			return nil, fmt.Errorf("contacts: %s: %s: %w", path, CleanLine(c.Name), err)
		}
		c.Name = CleanLine(c.Name)
	}
	return b, nil
}

// Save writes the contacts, for their owner's eyes only. The old file stays until the new one is whole.
func (b *Book) Save() error {
	text, err := json.MarshalIndent(b.Contacts, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(b.path), filepath.Base(b.path)+".*") // with mode 0600
	if err != nil {
		return fmt.Errorf("contacts: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), b.path)
	}
	if err != nil {
		return fmt.Errorf("contacts: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Find returns the contact of an id or a name, nil if there is none.
func (b *Book) Find(who string) *Contact {
	if b == nil || who == "" {
		return nil
	}
	for _, c := range b.Contacts {
		if c.ID == who || strings.EqualFold(c.Name, who) {
			return c
		}
	}
	return nil
}

// CheckName returns why a name cannot be given to a contact, other than that it is taken.
func CheckName(name string) error {
	switch _, isID := protocol.ParseUserID(name); {
	case name == "" || utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("a name has 1 to %d characters", maxName)
	case isID:
		return errors.New("this is an id, not a name")
	case name != CleanLine(name) || strings.ContainsAny(name, " \u00a0"):
		return errors.New("a name has no white space and only visible characters")
	}
	return nil
}

// Find returns the user that who names: an id, a public key, or a name in the book, which may be nil.
func (a *Agent) Find(ctx context.Context, book *Book, who string) (*seal.User, error) {
	if c := book.Find(who); c != nil {
		return seal.NewUser(c.ID, c.PublicKey)
	}
	if strings.HasPrefix(who, protocol.AlgX25519+":") {
		return seal.ParseUser(who)
	}
	if _, isID := protocol.ParseUserID(who); !isID {
		return nil, fmt.Errorf("%q is no id (32 characters of a-z and 2-7) and no contact's name", CleanLine(who))
	}
	u, err := a.User(ctx, who)
	return u, Explain(who, err)
}
