package actors

import (
	"fmt"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// The host's code runs on the goroutines of the broker: conns on those of the shards, the store on those of the
// persistence actors. What panics there ends one user's conn or one call, is counted and logged, and nothing else.
//
// A conn is called in the middle of somebody else's turn: credit comes back to Alice's conn while Bob's actor works. So
// its panic is kept from the caller, and its own user is stopped in the next turn.

// pause calls the conn's Pause.
func (l *Link) pause() {
	defer l.guard()
	l.conn.Pause()
}

// resume calls the conn's Resume.
func (l *Link) resume() {
	defer l.guard()
	l.conn.Resume()
}

// guard takes a panic of the conn. Nothing is written to it any more.
func (l *Link) guard() {
	if reason := recover(); reason != nil {
		l.busy = true
		l.shard.Post(&broken{link: l, reason: reason})
	}
}

// broken is a conn that has panicked.
type broken struct {
	link   *Link
	reason any
}

// Run implements [Job].
func (b *broken) Run() { b.link.shard.connPanicked(b.link, b.reason) }

// hangUp calls the conn's Close. One that panics will hardly detach by itself, so that is done for it.
func (l *Link) hangUp(code protocol.CloseCode, last []byte, accept bool) {
	defer func() {
		if reason := recover(); reason != nil {
			l.shard.CountPanic("Close of a conn", reason)
			l.Detach()
		}
	}()
	l.conn.Close(code, last, accept)
}

// connPanicked ends the user of a conn that panicked, as if its actor had.
func (s *Shard) connPanicked(l *Link, reason any) {
	u := l.user
	if u == nil || u.link != l {
		s.CountPanic("conn", reason)
		l.end(protocol.CodeNone, protocol.CloseInternal, false)
		return
	}
	u.panicked(reason)
}

// wait waits for input. What panics when it is handed on is the front end's own affair, but for the shard.
func (s *Shard) wait(timeout time.Duration) {
	defer s.survive("poller of a shard")
	s.poller.Wait(timeout)
}

// runAfter runs the jobs that wait for the end of the turn from the at-th on, until one panics, and returns which is next.
func (s *Shard) runAfter(at int) (next int) {
	next = at
	defer s.survive("job after a turn")
	for next < len(s.after) {
		job := s.after[next]
		s.after[next] = nil
		next++
		job.Run()
	}
	return next
}

// survive counts and logs a panic, if there is one, and has the shard go on. It is for defer.
func (s *Shard) survive(what string) {
	if reason := recover(); reason != nil {
		s.CountPanic(what, reason)
	}
}

// safely calls the store and makes an error of its panic: whether something happened is then unknown.
func (b *Broker) safely(call func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			b.hostPanicked("store", reason)
			err = fmt.Errorf("store panicked: %w", persistence.ErrUnknownOutcome)
		}
	}()
	return call()
}

// hostPanicked counts and logs a panic of the host's code outside the shards.
func (b *Broker) hostPanicked(what string, reason any) {
	b.panics.Add(1)
	b.log.Error(what+" panicked", "reason", fmt.Sprint(reason))
}
