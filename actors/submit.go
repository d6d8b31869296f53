package actors

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Envelope is a message that the host submits for a user.
type Envelope struct {
	From    protocol.UserID // the sender; it is the host's word, the broker does not ask whether there is such a user
	To      protocol.UserID
	Payload string // valid UTF-8; as JSON, with the ID and about 160 bytes, it is at most Limits.MaxMessage

	// ID is the sender's name for the envelope: 1 to 64 printable ASCII characters. With the same sender, recipient and
	// ID it is taken for a repeat, and not delivered twice. Empty: the broker makes one up.
	ID string

	// TTL is how long the envelope may be stored, in whole seconds; zero for the maximum.
	TTL time.Duration
}

// outcomePatience is how long the broker waits for the outcome of an envelope. It is far longer than anything takes
// but a store that has failed.
const outcomePatience = 30 * time.Second

// Submit sends an envelope for a user who may or may not have a conn, and waits until it is safe: stored, or confirmed
// by its recipient. Any goroutine but a shard's may call it. Envelopes of one sender to one recipient that are submitted
// one after the other keep their order.
//
// Errors have a code by [CodeOf]: CodeUserNotFound, CodeInvalidMessage (payload, ID or TTL), CodeMessageTooLarge,
// CodeMailboxFull, CodeStoreFull, CodeIDConflict, CodeStoreUnavailable. One that is [persistence.ErrUnknownOutcome], as
// when ctx has ended, says that the envelope may or may not arrive: it may be submitted again with the same ID.
func (b *Broker) Submit(ctx context.Context, e Envelope) error {
	outcome := make(chan error, 1)
	b.hand(e, func(err error) { outcome <- err }, true)
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return unknown(ctx.Err())
	}
}

// SubmitFunc is Submit without the wait: done is called once, with the outcome, on a goroutine of the broker. It must
// not block, and may call SubmitFunc again; if it panics that is counted and logged. Any goroutine may call SubmitFunc.
//
// It does not hold the caller back. A sender with more envelopes under way than its credit (Delivery.CreditMessages), and
// as many again waiting, and everybody while the broker's memory is used up, is refused with CodeRateLimited.
func (b *Broker) SubmitFunc(e Envelope, done func(error)) { b.hand(e, done, false) }

// unknown is the error for an envelope of whose fate nothing was heard.
func unknown(cause error) error {
	return &Error{Code: protocol.CodeStoreUnavailable, Err: fmt.Errorf("%w: %w", persistence.ErrUnknownOutcome, cause)}
}

var (
	errSilence = errors.New("no outcome in time")
	errFault   = errors.New("a fault of the broker")
)

// hand posts an envelope to the shard of its sender.
func (b *Broker) hand(e Envelope, done func(error), patient bool) {
	j := &submission{shard: b.ShardFor(e.From), from: e.From, to: e.To, id: e.ID, done: done, patient: patient}
	if b.ending.Load() {
		j.drop()
		return
	}
	code := b.check(&e)
	if code == protocol.CodeNone && !patient && b.budget.over() {
		code = protocol.CodeRateLimited
	}
	if code != protocol.CodeNone {
		j.finish(&Error{Code: code})
		return
	}
	if j.id == "" {
		j.id, j.once = b.newID(), true
	}
	raw := protocol.Escape(make([]byte, 0, len(e.Payload)+len(j.id)), e.Payload)
	if len(raw)+len(e.ID)+frameOverhead > b.config.limits.MaxMessage {
		j.finish(&Error{Code: protocol.CodeMessageTooLarge})
		return
	}
	j.raw, j.name = raw, append(raw, j.id...)[len(raw):]
	j.ttl, j.held = int64(e.TTL/time.Second), int64(cap(raw))
	b.budget.used.Add(j.held)
	if !j.shard.Post(j) {
		j.drop()
	}
}

// check says what is wrong with an envelope.
func (b *Broker) check(e *Envelope) protocol.Code {
	switch {
	case !utf8.ValidString(e.Payload) || e.TTL < 0 || e.TTL > 0 && e.TTL < time.Second || len(e.ID) > protocol.MaxIDLength:
		return protocol.CodeInvalidMessage
	}
	for i := range len(e.ID) {
		if e.ID[i] < ' ' || e.ID[i] > '~' {
			return protocol.CodeInvalidMessage
		}
	}
	return protocol.CodeNone
}

// newID returns an id that no envelope has had.
func (b *Broker) newID() string {
	var buf [40]byte
	id := strconv.AppendUint(buf[:0], b.mark, 36)
	return string(strconv.AppendUint(append(id, '.'), b.ids.Add(1), 36))
}

// submission is an envelope of the host on its way, from a sender's desk to its outcome.
type submission struct {
	shard   *Shard // the sender's
	from    protocol.UserID
	to      protocol.UserID
	id      string
	raw     []byte // the payload as JSON
	name    []byte // the id
	held    int64  // bytes counted as buffered mail
	ttl     int64
	done    func(error)
	once    bool          // the id is ours
	patient bool          // somebody waits, so it is not refused for being one too many
	at      time.Duration // when it was submitted
	next    *submission   // another one with that id, to somebody else
	also    []*submission // repeats, which have the same outcome
}

// Run implements [Job].
func (j *submission) Run() { j.shard.deskOf(j.from).take(j) }

// drop implements dropper.
func (j *submission) drop() { j.finish(&Error{Code: protocol.CodeStoreUnavailable, Err: errClosed}) }

// finish tells the outcome.
func (j *submission) finish(err error) {
	b := j.shard.broker
	b.budget.used.Add(-j.held)
	j.raw, j.name, j.held = nil, nil, 0
	for _, repeat := range j.also {
		repeat.finish(err)
	}
	defer func() {
		if reason := recover(); reason != nil {
			b.hostPanicked("outcome's function", reason)
		}
	}()
	j.done(err)
}
