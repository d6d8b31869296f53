package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// ErrLie: the server returned a public key that does not belong to the id asked for.
var ErrLie = errors.New("REFUSED: the server returned a key that is not this user's. It lies or is broken; nothing was sent")

// Explain says what an error of looking up a user's key, or of writing to that user, means to people.
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

// Unreachable says what it means to people that server, an address as they wrote it, was asked in vain. What is an
// answer of such a server stays as it is. The error still is what it was, for errors.Is and errors.As.
func Unreachable(server string, err error) error {
	var name *net.DNSError
	var dial *net.OpError
	var trust *tls.CertificateVerificationError
	var answer *client.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &name):
		return &explained{fmt.Sprintf("there is no server called %s: is %s spelled right?", name.Name, server), err}
	case errors.As(err, &dial) && dial.Op == "dial":
		cause := dial.Err
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			cause = errno
		}
		return &explained{fmt.Sprintf("no server answers at %s (%v): is it running, and is this its address?", server, cause), err}
	case errors.Is(err, http.ErrSchemeMismatch):
		return &explained{fmt.Sprintf("%s does not speak https: write http://", server), err}
	case errors.As(err, &trust):
		return &explained{fmt.Sprintf("%s shows a certificate that this machine does not trust (%v)", server, trust.Err), err}
	case errors.Is(err, client.ErrProofRequired):
		return &explained{fmt.Sprintf("%s did not accept the proof of this key: the server is known by another name and port, see --public-host of serve", server), err}
	case errors.Is(err, context.DeadlineExceeded):
		return &explained{"no answer from " + server, err}
	case errors.As(err, &answer) && answer.Code == "" && answer.Status/100 == 4, errors.Is(err, client.ErrProtocol):
		return &explained{fmt.Sprintf("what answers at %s is no enigma server (%s)", server, strings.ReplaceAll(err.Error(), "enigma: ", "")), err}
	}
	return err
}

// explained is an error in other words.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }
