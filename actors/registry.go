package actors

import (
	"fmt"
	"maps"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// The registry of a shard is its map of users: who has an actor now. It is the shard's alone, so an actor leaves it
// and a successor enters it without a moment in between in which mail could be lost.

// unlist takes a new actor out of the library's registry of names, in which a million entries cost a quarter of a
// gigabyte: whoever is to find a user asks the shard. So nobody outside can name an actor and stop it, and all users of
// a shard may share one name. The PID goes on reaching its actor, for it has met its process before: by a message that
// the mailbox ignores.
func (s *Shard) unlist(pid *actor.PID) {
	system := s.broker.system
	system.Root.Send(pid, acquaint{})
	system.ProcessRegistry.LocalPIDs.GetBucket(pid.Id).Remove(pid.Id)
}

// acquaint has a PID look its process up.
type acquaint struct{}

// forget takes a user out of the registry. Its actor is about to stop.
func (s *Shard) forget(u *user) {
	s.maxSeq = max(s.maxSeq, u.nextSeq)
	if s.latest == u {
		s.latest = nil
	}
	if s.users[u.id] == u {
		delete(s.users, u.id)
		s.shrink()
	}
}

// manyUsers is from how many users on the registry is made anew when most have gone: a map keeps the size it once had.
const manyUsers = 1 << 14

func (s *Shard) shrink() {
	if s.mostUsers < manyUsers || len(s.users) > s.mostUsers/8 {
		return
	}
	fewer := make(map[protocol.UserID]*user, len(s.users)) // maps.Clone would keep the size
	maps.Copy(fewer, s.users)
	s.users, s.mostUsers = fewer, len(fewer)
}

// startSeq returns the first seq of a new actor: above all that the user's former actors gave out.
func (s *Shard) startSeq() uint64 { return max(s.broker.seqs.now(), s.maxSeq) }

// leftOver takes back a letter that its actor will not see.
func (s *Shard) leftOver(u *user, l *letter) {
	switch l.kind {
	case letterSubmit, letterAttach:
		next := s.userFor(u.id)
		if next == u {
			panic("actors: letter left over by an actor that stands") // a bug: it would come back for ever
		}
		again := s.letter(*l)
		next.push(again)
	case letterStored:
		s.orphaned(l.op)
	case letterDetach:
		l.link.user = nil
	}
}

// orphaned takes the outcome of an append whose actor has stopped: who waits for it is told all the same.
func (s *Shard) orphaned(o *op) {
	if o.kind != opAppend {
		return
	}
	o.owner.delivery.stored(o.append)
}

// crashed ends an actor that has panicked, within the turn. What it holds goes to the store before anything else of
// that user can.
func (s *Shard) crashed(u *user, reason any) {
	s.broker.log.Error("user actor panicked and was stopped", "reason", fmt.Sprint(reason))
	defer func() {
		if again := recover(); again != nil {
			// Its state is beyond use. Whoever waits for it is told by silence, and sends again.
			s.broker.log.Error("a stopping user actor panicked; what it held in memory is lost", "reason", fmt.Sprint(again))
			lost := u.delivery.out.len() + u.delivery.holds()
			s.count(statLost, lost)
			s.broker.emit(Event{Kind: EventDropped, User: u.id, Count: lost})
			u.abandon()
			u.stopped = true
			u.handBack()
		}
	}()
	u.stop()
}

// abandon lets go of everything without looking at it.
func (u *user) abandon() {
	u.state = gone
	u.shard.Stop(&u.timer)
	u.shard.forget(u)
	u.shard.meter.pending -= int64(u.delivery.out.len())
	if l := u.link; l != nil {
		u.link, l.user = nil, nil
		u.shard.broker.emit(Event{Kind: EventDetached, User: u.id})
		l.closing = true
		l.dropControl()
		l.hangUp(protocol.CloseInternal, protocol.AppendClose(nil, protocol.CloseInternal), false)
	}
}
