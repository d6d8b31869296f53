package actors

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Message is an envelope as a [Receiver] receives it.
type Message struct {
	From        protocol.UserID
	Payload     string
	ID          string    // the sender's id for it; empty if the sender speaks the plain profile
	Seq         uint64    // its place in the user's order; rises, for ever
	Time        time.Time // when the broker took it in, to the millisecond
	Redelivered bool      // a hint: it may have been received before
	Receiver    *Receiver
}

// Confirm says that the host has processed this message and all before it: the broker forgets them. What is not confirmed
// when the receiver ends is delivered to the user's next conn. Any goroutine may call it; it does not wait.
func (m *Message) Confirm() { m.Receiver.confirm(m.Seq) }

// ReceiverOptions say what a receiver is.
type ReceiverOptions struct {
	// Proven is the host's word that this is the user: the receiver then attaches whoever else must prove, and with
	// AuthLock and AuthRequire the user is locked, as by any proof, so that without one nobody attaches from then on.
	Proven bool
}

// ErrReceiverClosed is why a receiver has ended that the host closed.
var ErrReceiverClosed = errors.New("the receiver was closed")

// Receiver is the connection of a user whose client is Go code in this process. At most 256 messages are delivered ahead
// of the confirms; a receiver that does not confirm does not receive. Its methods are for any goroutine.
type Receiver struct {
	broker *Broker
	shard  *Shard
	user   protocol.UserID
	opts   ReceiverOptions

	// Of the shard.
	link      *Link
	began     func()           // called when it is attached
	deliver   func([]*Message) // all that one write has brought; the slice is the shard's
	ended     func()           // called at the end
	delivered uint64           // the highest seq
	said      uint64           // the highest seq confirmed to the Link
	resumed   bool             // once
	leaving   bool             // the broker shuts down
	timer     Timer            // that it does so
	batch     []*Message

	confirmed atomic.Uint64
	posted    atomic.Bool // telling is on its way to the shard
	telling   receiverJob
	closing   atomic.Bool
	done      chan struct{}

	mu       sync.Mutex
	messages []*Message    // guarded by mu: from first on not yet received
	first    int           // guarded by mu
	wake     chan struct{} // there are messages
	err      error         // guarded by mu
	over     bool          // guarded by mu: done is closed
}

// Connect attaches a user's receiver, in place of a former conn, and returns when it is attached. Errors have a code by
// [CodeOf]: CodeUserNotFound, CodeProofRequired, CodeStoreUnavailable, which ctx's end is as well.
func (b *Broker) Connect(ctx context.Context, id protocol.UserID, opts ReceiverOptions) (*Receiver, error) {
	r := b.newReceiver(id, opts)
	attached := make(chan struct{})
	r.began, r.deliver, r.ended = func() { close(attached) }, r.keep, func() {}
	r.post(receiverAttach)
	select {
	case <-attached:
		return r, nil
	case <-r.done:
		return nil, r.Err()
	case <-ctx.Done():
		r.Close()
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: ctx.Err()}
	}
}

func (b *Broker) newReceiver(id protocol.UserID, opts ReceiverOptions) *Receiver {
	r := &Receiver{
		broker: b, shard: b.ShardFor(id), user: id, opts: opts,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	r.timer.Fire = r.detach
	r.telling = receiverJob{r, receiverTell}
	return r
}

// User returns whose receiver it is.
func (r *Receiver) User() protocol.UserID { return r.user }

// Receive returns the next message, in the user's order, and waits for it until ctx or the receiver ends. It is not for
// receivers of [Broker.ConnectActor].
func (r *Receiver) Receive(ctx context.Context) (*Message, error) {
	for {
		if m, err := r.next(); m != nil || err != nil {
			return m, err
		}
		select {
		case <-r.wake:
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// next returns the next message, if there is one, or why there are no more.
func (r *Receiver) next() (*Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil, r.err
	}
	if r.first == len(r.messages) {
		r.messages, r.first = r.messages[:0], 0
		if cap(r.messages) > idleMessages {
			r.messages = nil
		}
		return nil, nil
	}
	m := r.messages[r.first]
	r.messages[r.first] = nil
	if r.first++; r.first < len(r.messages) {
		r.signal() // for others who wait
	}
	return m, nil
}

// idleMessages is for how many messages a receiver keeps room while there are none.
const idleMessages = 64

func (r *Receiver) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// keep holds messages until they are received.
func (r *Receiver) keep(list []*Message) {
	r.mu.Lock()
	r.messages = append(r.messages, list...)
	r.mu.Unlock()
	r.signal()
}

// Close ends the receiver; Done is closed when the broker has parted from it. What was not confirmed stays with the
// broker. It may be called again.
func (r *Receiver) Close() {
	if !r.closing.Swap(true) {
		r.post(receiverClose)
	}
}

// Done returns a channel that is closed when the receiver has ended.
func (r *Receiver) Done() <-chan struct{} { return r.done }

// Err returns why the receiver has ended, nil while it has not: [ErrReceiverClosed], or an error with a code by [CodeOf],
// such as CodeReplaced when a newer conn of the user has taken over.
func (r *Receiver) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		return nil
	}
	return r.err
}

// note keeps the first reason for the end.
func (r *Receiver) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// finish ends the receiver for the host.
func (r *Receiver) finish() {
	r.mu.Lock()
	again := r.over
	r.over, r.messages, r.first = true, nil, 0
	r.mu.Unlock()
	if again {
		return
	}
	close(r.done)
	r.ended()
}

func (r *Receiver) confirm(seq uint64) {
	for old := r.confirmed.Load(); old < seq; old = r.confirmed.Load() {
		if r.confirmed.CompareAndSwap(old, seq) {
			break
		}
	}
	r.toTell()
}

// toTell has the shard tell, unless that is on its way already.
func (r *Receiver) toTell() {
	if !r.posted.Swap(true) && !r.shard.Post(&r.telling) {
		r.telling.drop()
	}
}

// receiverJob is what others ask of a receiver's shard.
type receiverJob struct {
	receiver *Receiver
	what     receiverRequest
}

type receiverRequest uint8

const (
	receiverAttach receiverRequest = iota
	receiverTell                   // what the host has confirmed, and that it lives
	receiverClose                  // the host has had enough
	receiverDetach                 // the broker has
)

func (r *Receiver) post(what receiverRequest) {
	if !r.shard.Post(&receiverJob{r, what}) {
		(&receiverJob{r, what}).drop()
	}
}

// drop implements dropper.
func (j *receiverJob) drop() {
	j.receiver.note(&Error{Code: protocol.CodeStoreUnavailable, Err: errClosed})
	j.receiver.finish()
}

// Run implements [Job].
func (j *receiverJob) Run() {
	r := j.receiver
	switch j.what {
	case receiverAttach:
		if r.closing.Load() {
			return // before it has begun; the job behind this one ends it
		}
		r.link = r.broker.Attach(r.user, r.conn(), AttachOptions{Profile: V1, Proven: r.opts.Proven})
	case receiverTell:
		r.tell()
	case receiverClose:
		r.note(ErrReceiverClosed)
		r.detach()
	case receiverDetach:
		r.detach()
	}
}

// tell passes on what the host has confirmed.
func (r *Receiver) tell() {
	r.posted.Store(false)
	if r.link == nil || r.link.phase == linkDead {
		return
	}
	r.link.Alive()
	if seq := r.confirmed.Load(); seq > r.said {
		r.said = seq
		r.link.Recv(seq)
	}
	if r.leaving && r.said >= r.delivered {
		r.detach()
	}
}

func (r *Receiver) detach() {
	r.shard.Stop(&r.timer)
	if r.link != nil {
		r.link.Detach()
	}
	r.finish()
}

// receiverConn is the Receiver as the shard sees it.
type receiverConn struct{ *Receiver }

func (r *Receiver) conn() Conn { return receiverConn{r} }

// Write implements [Conn].
func (r receiverConn) Write(p []byte) (int, error) {
	r.batch = r.batch[:0]
	var slab []Message // several at a time: they come together, and mostly go together
	eachFrame(p, func(op protocol.Opcode, text []byte) {
		if op == protocol.OpPing {
			r.toTell()
			return
		}
		rest, found := bytes.CutPrefix(text, messageHead)
		if !found {
			return
		}
		if len(slab) == 0 {
			slab = make([]Message, 1+min(len(r.batch), slabMessages-1))
		}
		m := &slab[0]
		slab = slab[1:]
		m.Receiver = r.Receiver
		m.read(rest)
		r.delivered = m.Seq
		r.batch = append(r.batch, m)
	})
	if len(r.batch) > 0 {
		r.deliver(r.batch)
		clear(r.batch)
	}
	return len(p), nil
}

// slabMessages bounds how many messages share their memory: one that the host keeps keeps the others.
const slabMessages = 16

// Pause implements [Conn]. A receiver submits nothing.
func (r receiverConn) Pause() {}

// Resume implements [Conn].
func (r receiverConn) Resume() {
	if !r.resumed {
		r.resumed = true
		r.began()
	}
}

// receiverLinger is how long a receiver may still confirm when the broker shuts down.
const receiverLinger = time.Second

// Close implements [Conn].
func (r receiverConn) Close(code protocol.CloseCode, last []byte, accept bool) {
	reason := &Error{Code: codeOfClose(code)}
	eachFrame(last, func(_ protocol.Opcode, text []byte) {
		if rest, found := bytes.CutPrefix(text, errorHead); found {
			reason.Code, _, _ = readError(rest)
		}
	})
	if code == protocol.CloseGoingAway {
		reason.Err = errClosed
	}
	r.note(reason)
	if accept && r.said < r.delivered {
		r.leaving = true
		r.shard.Set(&r.timer, receiverLinger)
		return
	}
	r.post(receiverDetach)
}

// codeOfClose says what a close without an error frame means.
func codeOfClose(code protocol.CloseCode) protocol.Code {
	if code == protocol.CloseInternal {
		return protocol.CodeInternal
	}
	return protocol.CodeStoreUnavailable
}
