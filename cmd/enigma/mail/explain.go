package mail

import (
	"errors"
	"fmt"

	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// ErrLie: the server returned a public key that does not belong to the id asked for.
var ErrLie = errors.New("REFUSED: the server returned a key that is not this user's. It lies or is broken; nothing was sent")

// Explain says what an error of looking up a user's key means to people.
func Explain(id string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrKeyMismatch), errors.Is(err, seal.ErrKeyMismatch):
		return fmt.Errorf("%s: %w", id, ErrLie)
	case errors.Is(err, client.ErrUserNotFound):
		return fmt.Errorf("%s has never logged in on this server: it has to connect once first", id)
	case errors.Is(err, seal.ErrKeyKind):
		return fmt.Errorf("%s has a key that cannot be written to: it is not X25519", id)
	}
	return err
}
