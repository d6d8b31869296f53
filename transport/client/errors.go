package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Errors that do not come from the server.
var (
	// ErrClosed: the Client was closed, or this was called on one that had been.
	ErrClosed = errors.New("enigma: client closed")
	// ErrUnknownOutcome: the message was written, or may have been, and no answer came. It may or may not reach its
	// recipient. Sending it again with the same id is safe.
	ErrUnknownOutcome = errors.New("enigma: outcome of the message unknown")
	// ErrInFlight: a message with the same recipient and id is still waiting for its answer in this Client.
	ErrInFlight = errors.New("enigma: a message with this id is in flight to this user")
	// ErrNoV1: the server does not speak enigma.v1, and [RequireV1] demands it.
	ErrNoV1 = errors.New("enigma: the server does not speak " + protocol.Subprotocol)
	// ErrNotProven: the server did not ask for proof of key possession, or did not take it and let the user in all the
	// same, and [WithKey] or [RequireProof] demands it.
	ErrNotProven = errors.New("enigma: connected without proof of key possession")
	// ErrKeyMismatch: the server answered with a key or an id that do not belong together. It lies or is broken.
	ErrKeyMismatch = errors.New("enigma: the server's answer does not match the key's hash")
	// ErrProtocol: the server broke the protocol. The connection it did so on was closed.
	ErrProtocol = errors.New("enigma: protocol violation by the server")
	// ErrDead: the server neither answered a Ping nor sent anything else in time, or it stopped reading.
	ErrDead = errors.New("enigma: the server does not respond")
)

// Errors of the server, by code; for errors.Is. The value at hand has the details: use errors.As with [*Error].
var (
	ErrBadRequest       = &Error{Code: protocol.CodeBadRequest.String()}
	ErrKeyNotProvable   = &Error{Code: protocol.CodeKeyNotProvable.String()}
	ErrUserNotFound     = &Error{Code: protocol.CodeUserNotFound.String()}
	ErrInvalidMessage   = &Error{Code: protocol.CodeInvalidMessage.String()}
	ErrMessageTooLarge  = &Error{Code: protocol.CodeMessageTooLarge.String()}
	ErrMailboxFull      = &Error{Code: protocol.CodeMailboxFull.String()}
	ErrStoreUnavailable = &Error{Code: protocol.CodeStoreUnavailable.String()}
	ErrStoreFull        = &Error{Code: protocol.CodeStoreFull.String()}
	ErrRateLimited      = &Error{Code: protocol.CodeRateLimited.String()}
	ErrProofRequired    = &Error{Code: protocol.CodeProofRequired.String()}
	ErrReplaced         = &Error{Code: protocol.CodeReplaced.String()}
	ErrIDConflict       = &Error{Code: protocol.CodeIDConflict.String()}
)

// Error is an error that the server sent: in answer to a message, to a request, or as the reason of a close.
type Error struct {
	Code       string        // what went wrong, from the protocol's list; empty if the server gave none
	Text       string        // the same for people, made printable and cut to 256 bytes
	To         string        // recipient of the message that caused it; may be empty
	ID         string        // id of the message that caused it; may be empty
	Status     int           // HTTP status or WebSocket close code it came with; 0 if the connection stayed open
	RetryAfter time.Duration // how long the server asks to wait; 0 if it does not say
}

// Error returns the text with the code.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("enigma: ")
	switch {
	case e.Text != "":
		b.WriteString(e.Text)
	case e.Code != "":
		b.WriteString(strings.ToLower(strings.ReplaceAll(e.Code, "_", " ")))
	default:
		b.WriteString("error from the server")
	}
	switch {
	case e.Code != "" && e.Status != 0:
		fmt.Fprintf(&b, " (%s, %d)", e.Code, e.Status)
	case e.Code != "":
		fmt.Fprintf(&b, " (%s)", e.Code)
	case e.Status != 0:
		fmt.Fprintf(&b, " (%d)", e.Status)
	}
	return b.String()
}

// Is reports whether target is an *Error with the same code, so that the variables of this package can be compared
// with errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code != "" && t.Code == e.Code
}

// final reports whether the error says that connecting again by oneself is wrong or useless.
func (e *Error) final() bool {
	switch protocol.CloseCode(e.Status) {
	case protocol.CloseProofRequired, protocol.CloseUserNotFound, protocol.CloseReplaced:
		return true
	}
	// These two always come with a close; the link may have broken before it arrived. An unknown recipient has the
	// same code as an unknown self, hence USER_NOT_FOUND counts only with its close code.
	return e.Code == ErrReplaced.Code || e.Code == ErrProofRequired.Code
}

// busy reports whether the error asks to come back noticeably later.
func (e *Error) busy() bool {
	switch e.Status {
	case int(protocol.CloseTryAgain), int(protocol.ClosePolicy), http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// codeOfClose is the code that a close stands for when no error frame came before it.
func codeOfClose(status protocol.CloseCode) string {
	switch status {
	case protocol.CloseProofRequired:
		return protocol.CodeProofRequired.String()
	case protocol.CloseUserNotFound:
		return protocol.CodeUserNotFound.String()
	case protocol.CloseReplaced:
		return protocol.CodeReplaced.String()
	case protocol.CloseTooLarge:
		return protocol.CodeMessageTooLarge.String()
	case protocol.ClosePolicy:
		return protocol.CodeRateLimited.String()
	}
	return ""
}

// printable bounds text from the server and takes out what could harm a terminal or a log.
func printable(s string) string {
	const limit = 256
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// violation is a breach of the protocol by the server and the close code it is answered with.
type violation struct {
	status protocol.CloseCode
	what   string
}

func (v *violation) Error() string        { return ErrProtocol.Error() + ": " + v.what }
func (v *violation) Is(target error) bool { return target == ErrProtocol }

func breach(format string, args ...any) error {
	return &violation{status: protocol.CloseProtocolError, what: fmt.Sprintf(format, args...)}
}
