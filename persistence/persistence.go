// Package persistence says what a store keeps: the records, pages and errors that the broker and its stores exchange.
//
// It holds types only. The interface a store satisfies is [actors.Store], owned by the package that calls it; the
// suite every store passes is package storetest.
//
// # What a store promises
//
// A store keeps, per user: the public key and whether the user must prove it (locked), the pending envelopes in
// ascending seq, an index of the (sender, id) pairs of those pending, and the highest seq ever appended, which
// survives confirm and expiry. Beside the users it keeps one record, the seq ceiling.
//
// Calls are batches: one fsync or one round trip serves many users. Each call has one slice of inputs and one of
// results of the same length. A returned error applies to every item of the call and leaves the results unset; with a
// nil error each item's own result counts. A caller has at most one call in flight that names a given user; calls that
// name different users may run at the same time.
//
// What is easily taken for granted:
//
//   - ErrDuplicate, ErrConflict and ErrQuota refuse one envelope each; those after it in the call are judged by
//     themselves, with the quota as actors.Store says.
//   - A refused envelope is not remembered: an Append whose outcome is unknown and that held an Accepted envelope behind
//     one that was refused is, when it is repeated, told that the refused one succeeded, since it is below the highest
//     seq by then. A caller that must know does not put them into one call.
//   - An expired envelope is never read. It may count for the quota, and hold its id, until Expire has removed it.
//   - Lock of a user who is not known does nothing, and is no error.
package persistence

import (
	"errors"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Outcomes of a store call, of the whole call or of one item. Stores wrap them with what was being done; callers
// compare with errors.Is.
var (
	// ErrQuota: the envelope would put its recipient's mailbox over its quota, in messages or bytes. Nothing was kept.
	ErrQuota = errors.New("mailbox quota reached")
	// ErrFull: the disk or the memory of the store is exhausted. Nothing was kept; reading and deleting go on.
	ErrFull = errors.New("store full")
	// ErrUnavailable: the store cannot be reached or answers an error. Nothing happened.
	ErrUnavailable = errors.New("store unavailable")
	// ErrUnknownOutcome: the call may or may not have happened. The same call is to be repeated until it is known,
	// before any later call that names the same user, and nothing is acknowledged meanwhile.
	ErrUnknownOutcome = errors.New("store outcome unknown")
	// ErrDuplicate: an envelope with the same sender, id and payload is pending already. Nothing more was kept.
	ErrDuplicate = errors.New("envelope already pending")
	// ErrConflict: an envelope with the same sender and id and another payload is pending. Nothing was kept.
	ErrConflict = errors.New("id pending with another payload")
	// ErrCorrupt: a record read back is not what was written. It is never returned as mail.
	ErrCorrupt = errors.New("stored record corrupt")
)

// Quota bounds one mailbox. A field of zero is no bound.
type Quota struct {
	Messages int   // pending envelopes
	Bytes    int64 // their payload bytes together
}

// KeyRecord is a user's public key.
type KeyRecord struct {
	User   protocol.UserID
	Key    []byte // 1 to protocol.MaxKeyLength bytes, as logged in; nil where the user is not known
	Locked bool   // the user must prove possession of the key
}

// Pending is one stored envelope.
type Pending struct {
	To       protocol.UserID
	From     protocol.UserID
	Seq      uint64 // position in the recipient's order; above zero, below 2^53
	Time     int64  // when the server took it in, milliseconds since the epoch
	Expires  int64  // when it may be dropped, milliseconds since the epoch
	ID       string // the sender's id for it, 0 to 64 printable ASCII characters; empty for a plain sender
	Payload  []byte // the JSON string's content exactly as it came, without the quotes
	Accepted bool   // input only: accepted for an attached recipient, hence exempt from the quota
}

// ReadRequest asks for a page of a user's pending envelopes.
type ReadRequest struct {
	User  protocol.UserID
	After uint64 // only those with a higher seq
	Count int    // at most so many, above zero
	Bytes int    // stop once the payloads together reach this, but return at least one
	Now   int64  // those with Expires at or below are skipped; milliseconds since the epoch
}

// Page is the answer to one ReadRequest.
type Page struct {
	Pending []Pending // ascending seq; the caller owns it and its payloads
	More    bool      // the page ended at Count or Bytes, so there may be more behind it
	Err     error     // this request failed; the rest of the page is unset
}

// Confirmed says that a user has received all its envelopes up to and including Seq.
type Confirmed struct {
	User protocol.UserID
	Seq  uint64
}
