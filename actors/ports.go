package actors

import (
	"context"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Store keeps keys and undelivered envelopes. Package persistence defines records, results and errors; package
// persistence/storetest is the suite an implementation passes, and its Example is one of a host's own, to copy.
//
// All methods may be called concurrently, but at most one call at a time names a given user. Inputs are valid only
// until the call returns: a store copies what it keeps. Every ctx has a deadline; a call cut off by it returns
// ErrUnavailable if nothing can have happened and ErrUnknownOutcome otherwise.
type Store interface {
	// PutKeys stores keys of users not yet known; for known ones it does nothing. Durable on return.
	PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error
	// Keys looks up users and fills the records. Unknown users are no error: their Key is nil.
	Keys(ctx context.Context, users []protocol.UserID, keys []persistence.KeyRecord, errs []error) error
	// Lock marks known users as having to prove possession of their key. Durable on return, idempotent.
	Lock(ctx context.Context, users []protocol.UserID, errs []error) error
	// Append adds envelopes, each user's in ascending seq. Durable on return.
	//
	// Per user, in order: an envelope whose (From, ID) is pending under the same seq succeeds, under another seq it
	// is ErrDuplicate or ErrConflict; one at or below the highest seq ever appended succeeds and changes nothing; one
	// that is not Accepted and would exceed the quota is ErrQuota, and so are all later ones of that user in the call
	// that are not Accepted. Any other failure of one envelope fails the later ones of that user too, so that what was
	// kept is a prefix.
	Append(ctx context.Context, pending []persistence.Pending, errs []error) error
	// Read fills one page per request.
	Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error
	// Confirm deletes each user's envelopes up to a seq. Idempotent; a seq beyond the last is no error. It need not be
	// durable on return: a lost delete is a redelivery.
	Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error
	// Expire deletes at most limit envelopes that have expired by now, in milliseconds since the epoch, and returns how many.
	Expire(ctx context.Context, now int64, limit int) (int, error)
	// Ceiling raises the durable seq ceiling to at least raise and returns what it was before. Raising to 0 reads it.
	Ceiling(ctx context.Context, raise uint64) (uint64, error)
	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	// Close releases the store. No call is in flight or follows.
	Close() error
}

// Conn is one connection of a user, as its actor sees it. The shard that owns the user calls it, on its goroutine;
// no method blocks or calls back into the broker before it returns.
type Conn interface {
	// Write takes the bytes of whole frames, or a prefix of them, and says how many it took. Fewer than all means
	// that the conn is busy: it calls [Link.Writable] when it takes more. An error means that the conn is dead; it
	// reports so itself by [Link.Detach].
	Write(frames []byte) (int, error)
	// Pause stops reading input until Resume: the user's credit is used up. What was read before may still be submitted.
	Pause()
	// Resume goes on reading. The first Resume says that the user is attached.
	Resume()
	// Close ends the conn: it writes last, which holds whole frames (after the rest of one that was cut) and ends with
	// the close frame, reads until the remote's close frame, and calls [Link.Detach] at the latest one second later.
	// With accept, what is read meanwhile still counts; otherwise it is discarded. last is valid during the call only.
	Close(code protocol.CloseCode, last []byte, accept bool)
}

// Clock is the source of time. Now may jump, Mono never goes back.
type Clock interface {
	Now() time.Time      // wall clock
	Mono() time.Duration // since an arbitrary start
}

// Poller is what a shard waits on. The shard's goroutine calls Wait; everybody calls Wake.
type Poller interface {
	// Wait blocks until there was input, which it hands on before it returns, or Wake was called, or timeout has
	// passed. A timeout of zero or below does not block. The input's bytes stay valid until the next Wait.
	Wait(timeout time.Duration)
	// Wake makes a Wait under way, or else the next one, return soon. Any goroutine may call it.
	Wake()
	// Close releases the poller. Wait is not called any more.
	Close() error
}
