package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// PIDOf returns the PID of a user's actor, nil for none, so that tests can do to it what a host's code might.
func (b *Broker) PIDOf(id protocol.UserID) *actor.PID {
	s := b.ShardFor(id)
	pid := make(chan *actor.PID, 1)
	s.Post(jobFunc(func() {
		if u := s.users.get(&id); u != nil {
			pid <- u.pid
			return
		}
		pid <- nil
	}))
	return <-pid
}

// Holdings returns what a shard keeps between turns: letters and bytes of unused buffers.
func (s *Shard) Holdings() (letters, buffers int) {
	done := make(chan struct{})
	s.Post(jobFunc(func() {
		letters, buffers = len(s.letters.chunks)*letterChunk, s.pool.idle
		close(done)
	}))
	<-done
	return letters, buffers
}

// Desks returns how many senders of the host a shard knows.
func (s *Shard) Desks() int {
	n := make(chan int, 1)
	s.Post(jobFunc(func() { n <- len(s.desks) }))
	return <-n
}

// Remembered returns how many ids a user's actor holds to recognise repeats.
func (b *Broker) Remembered(id protocol.UserID) int {
	s := b.ShardFor(id)
	n := make(chan int, 1)
	s.Post(jobFunc(func() {
		if u := s.users.get(&id); u != nil && u.delivery.recents != nil {
			n <- len(u.delivery.recents.byID) + u.delivery.recents.settled.len()
			return
		}
		n <- 0
	}))
	return <-n
}

// Upset gives a user's actor a letter that makes it panic. To be called on the user's shard.
func (b *Broker) Upset(id protocol.UserID) {
	s := b.ShardFor(id)
	s.userFor(&id).push(s.letter(letter{kind: letterStored})) // of no append
}
