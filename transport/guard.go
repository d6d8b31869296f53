package transport

import (
	"errors"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// What panics while a conn is worked on ends that conn, is counted and logged, and leaves its shard and all others alone.
// Conns are worked on in three places, and each has its recover: what epoll tells of, one for all conns of a turn, see
// [epoll.Wait]; jobs and timers, one each; and the goroutines of a stream, where the code may be the host's, for the
// net.Conn is. A method that the broker calls is the broker's to guard, but for Close, after which the socket is to go.

// guard takes a panic of the conn's code. It is for defer, on the shard's goroutine.
func (c *conn) guard() {
	if reason := recover(); reason != nil {
		c.panicked(reason)
	}
}

// panicked ends the conn: by a close with CloseInternal, if that can be said still. It may be called in the middle of a
// call of the broker's, so what cannot be told is ended by a job.
func (c *conn) panicked(reason any) {
	c.loop.shard.CountPanic("work on a conn", reason)
	defer func() {
		if again := recover(); again != nil {
			c.loop.shard.CountPanic("work on a conn", again)
			c.drop()
		}
	}()
	if c.link == nil || c.is(faulty|closing|discharged|lost) {
		c.drop()
		return
	}
	c.set(faulty)
	c.fail(protocol.CodeNone, protocol.CloseInternal)
}

// drop ends the conn without a word.
func (c *conn) drop() {
	c.set(lost)
	c.wake()
}

// panics is a conn whose code has panicked on another goroutine.
type panics struct {
	conn   *conn
	reason any
	mute   bool // in the way of what is to be written
}

// Run implements [actors.Job].
func (j *panics) Run() {
	if j.mute {
		j.conn.set(lost)
	}
	j.conn.panicked(j.reason)
}

// survive takes a panic of one of the stream's goroutines. It is for defer.
func (s *stream) survive(mute bool) {
	reason := recover()
	if reason == nil {
		return
	}
	if mute {
		s.fail(errPanic)
	}
	s.post(&panics{&s.conn, reason, mute})
}

var errPanic = errors.New("transport: connection panicked")
