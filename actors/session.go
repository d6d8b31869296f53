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

// Message is an envelope as a [Session] receives it.
type Message struct {
	From        protocol.UserID
	Payload     string
	ID          string    // the sender's id for it; empty if the sender speaks the plain profile
	Seq         uint64    // its place in the user's order; rises, for ever
	Time        time.Time // when the broker took it in, to the millisecond
	Redelivered bool      // a hint: it may have been received before
	Session     *Session
}

// Confirm says that the host has processed this message and all before it: the broker forgets them. What is not confirmed
// when the session ends is delivered to the user's next conn. Any goroutine may call it; it does not wait.
func (m *Message) Confirm() { m.Session.confirm(m.Seq) }

// SessionOptions say what a session is.
type SessionOptions struct {
	// Proven is the host's word that this is the user: the session then attaches whoever else must prove, and with
	// AuthLock and AuthRequire the user is locked, as by any proof, so that without one nobody attaches from then on.
	Proven bool
}

// ErrSessionClosed is why a session has ended that the host closed.
var ErrSessionClosed = errors.New("the session was closed")

// Session is the connection of a user whose client is Go code in this process. At most 256 messages are delivered ahead
// of the confirms; a session that does not confirm does not receive. Its methods are for any goroutine.
type Session struct {
	broker *Broker
	shard  *Shard
	user   protocol.UserID
	opts   SessionOptions

	// Of the shard.
	link      *Link
	began     func() // called when it is attached
	deliver   func(*Message)
	ended     func() // called at the end
	delivered uint64 // the highest seq
	said      uint64 // the highest seq confirmed to the Link
	resumed   bool   // once
	leaving   bool   // the broker shuts down
	timer     Timer  // that it does so

	confirmed atomic.Uint64
	posted    atomic.Bool
	closing   atomic.Bool
	done      chan struct{}

	mu       sync.Mutex
	messages []*Message    // guarded by mu: not yet received
	wake     chan struct{} // there are messages
	err      error         // guarded by mu
	over     bool          // guarded by mu: done is closed
}

// Connect attaches a user's session, in place of a former conn, and returns when it is attached. Errors have a code by
// [CodeOf]: CodeUserNotFound, CodeProofRequired, CodeStoreUnavailable, which ctx's end is as well.
func (b *Broker) Connect(ctx context.Context, id protocol.UserID, opts SessionOptions) (*Session, error) {
	s := b.newSession(id, opts)
	attached := make(chan struct{})
	s.began, s.deliver, s.ended = func() { close(attached) }, s.keep, func() {}
	s.post(sessionAttach)
	select {
	case <-attached:
		return s, nil
	case <-s.done:
		return nil, s.Err()
	case <-ctx.Done():
		s.Close()
		return nil, &Error{Code: protocol.CodeStoreUnavailable, Err: ctx.Err()}
	}
}

func (b *Broker) newSession(id protocol.UserID, opts SessionOptions) *Session {
	s := &Session{
		broker: b, shard: b.ShardFor(id), user: id, opts: opts,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	s.timer.Fire = s.detach
	return s
}

// User returns whose session it is.
func (s *Session) User() protocol.UserID { return s.user }

// Receive returns the next message, in the user's order, and waits for it until ctx or the session ends. It is not for
// sessions of [Broker.ConnectActor].
func (s *Session) Receive(ctx context.Context) (*Message, error) {
	for {
		if m, err := s.next(); m != nil || err != nil {
			return m, err
		}
		select {
		case <-s.wake:
		case <-s.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// next returns the next message, if there is one, or why there are no more.
func (s *Session) next() (*Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, s.err
	}
	if len(s.messages) == 0 {
		s.messages = nil
		return nil, nil
	}
	m := s.messages[0]
	s.messages[0] = nil
	if s.messages = s.messages[1:]; len(s.messages) > 0 {
		s.signal() // for others who wait
	}
	return m, nil
}

func (s *Session) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// keep holds a message until it is received.
func (s *Session) keep(m *Message) {
	s.mu.Lock()
	s.messages = append(s.messages, m)
	s.mu.Unlock()
	s.signal()
}

// Close ends the session; Done is closed when the broker has parted from it. What was not confirmed stays with the
// broker. It may be called again.
func (s *Session) Close() {
	if !s.closing.Swap(true) {
		s.post(sessionClose)
	}
}

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session has ended, nil while it has not: [ErrSessionClosed], or an error with a code by [CodeOf],
// such as CodeReplaced when a newer conn of the user has taken over.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		return nil
	}
	return s.err
}

// note keeps the first reason for the end.
func (s *Session) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// finish ends the session for the host.
func (s *Session) finish() {
	s.mu.Lock()
	again := s.over
	s.over, s.messages = true, nil
	s.mu.Unlock()
	if again {
		return
	}
	close(s.done)
	s.ended()
}

func (s *Session) confirm(seq uint64) {
	for old := s.confirmed.Load(); old < seq; old = s.confirmed.Load() {
		if s.confirmed.CompareAndSwap(old, seq) {
			break
		}
	}
	if !s.posted.Swap(true) {
		s.post(sessionTell)
	}
}

// sessionJob is what others ask of a session's shard.
type sessionJob struct {
	session *Session
	what    sessionRequest
}

type sessionRequest uint8

const (
	sessionAttach sessionRequest = iota
	sessionTell                  // what the host has confirmed, and that it lives
	sessionClose                 // the host has had enough
	sessionDetach                // the broker has
)

func (s *Session) post(what sessionRequest) {
	if !s.shard.Post(&sessionJob{s, what}) {
		(&sessionJob{s, what}).drop()
	}
}

// drop implements dropper.
func (j *sessionJob) drop() {
	j.session.note(&Error{Code: protocol.CodeStoreUnavailable, Err: errClosed})
	j.session.finish()
}

// Run implements [Job].
func (j *sessionJob) Run() {
	s := j.session
	switch j.what {
	case sessionAttach:
		if s.closing.Load() {
			return // before it has begun; the job behind this one ends it
		}
		s.link = s.broker.Attach(s.user, s.conn(), AttachOptions{Profile: V1, Proven: s.opts.Proven})
	case sessionTell:
		s.tell()
	case sessionClose:
		s.note(ErrSessionClosed)
		s.detach()
	case sessionDetach:
		s.detach()
	}
}

// tell passes on what the host has confirmed.
func (s *Session) tell() {
	s.posted.Store(false)
	if s.link == nil || s.link.dead {
		return
	}
	s.link.Alive()
	if seq := s.confirmed.Load(); seq > s.said {
		s.said = seq
		s.link.Recv(seq)
	}
	if s.leaving && s.said >= s.delivered {
		s.detach()
	}
}

func (s *Session) detach() {
	s.shard.Stop(&s.timer)
	if s.link != nil {
		s.link.Detach()
	}
	s.finish()
}

// sessionConn is the Session as the shard sees it.
type sessionConn struct{ *Session }

func (s *Session) conn() Conn { return sessionConn{s} }

// Write implements [Conn].
func (s sessionConn) Write(p []byte) (int, error) {
	eachFrame(p, func(op protocol.Opcode, text []byte) {
		if op == protocol.OpPing {
			if !s.posted.Swap(true) {
				s.post(sessionTell)
			}
			return
		}
		rest, found := bytes.CutPrefix(text, messageHead)
		if !found {
			return
		}
		m := readMessage(rest)
		m.Session = s.Session
		s.delivered = m.Seq
		s.deliver(m)
	})
	return len(p), nil
}

// Pause implements [Conn]. A session submits nothing.
func (s sessionConn) Pause() {}

// Resume implements [Conn].
func (s sessionConn) Resume() {
	if !s.resumed {
		s.resumed = true
		s.began()
	}
}

// sessionLinger is how long a session may still confirm when the broker shuts down.
const sessionLinger = time.Second

// Close implements [Conn].
func (s sessionConn) Close(code protocol.CloseCode, last []byte, accept bool) {
	reason := &Error{Code: codeOfClose(code)}
	eachFrame(last, func(_ protocol.Opcode, text []byte) {
		if rest, found := bytes.CutPrefix(text, errorHead); found {
			reason.Code, _, _ = readError(rest)
		}
	})
	if code == protocol.CloseGoingAway {
		reason.Err = errClosed
	}
	s.note(reason)
	if accept && s.said < s.delivered {
		s.leaving = true
		s.shard.Set(&s.timer, sessionLinger)
		return
	}
	s.post(sessionDetach)
}

// codeOfClose says what a close without an error frame means.
func codeOfClose(code protocol.CloseCode) protocol.Code {
	if code == protocol.CloseInternal {
		return protocol.CodeInternal
	}
	return protocol.CodeStoreUnavailable
}
