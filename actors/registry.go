package actors

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// registry is who has an actor on a shard now. It is the shard's alone, so an actor leaves it and a successor enters it
// without a moment in between in which mail could be lost.
//
// It is a map of the first eight bytes of the ids, which takes half as much memory as one of whole ids, and less time.
// Who shares them with somebody else, as somebody can who tries four thousand million keys, is in a list with them.
type registry struct {
	byPrefix map[uint64]*user
	count    int
	most     int // since byPrefix was made
}

func prefixOf(id *protocol.UserID) uint64 { return binary.LittleEndian.Uint64(id[:]) }

// get returns the actor of a user, nil for none.
func (r *registry) get(id *protocol.UserID) *user {
	u := r.byPrefix[prefixOf(id)]
	for u != nil && u.id != *id {
		u = u.namesake
	}
	return u
}

// add enters an actor whose user has none in it.
func (r *registry) add(u *user) {
	if r.byPrefix == nil {
		r.byPrefix = make(map[uint64]*user)
	}
	prefix := prefixOf(&u.id)
	u.namesake = r.byPrefix[prefix]
	r.byPrefix[prefix] = u
	r.count++
	r.most = max(r.most, r.count)
}

// remove takes an actor out, if it is still the one of its user.
func (r *registry) remove(u *user) {
	prefix := prefixOf(&u.id)
	first := r.byPrefix[prefix]
	switch {
	case first == u && u.namesake == nil:
		delete(r.byPrefix, prefix)
	case first == u:
		r.byPrefix[prefix] = u.namesake
	default:
		before := first
		for before != nil && before.namesake != u {
			before = before.namesake
		}
		if before == nil {
			return
		}
		before.namesake = u.namesake
	}
	u.namesake = nil
	r.count--
	r.shrink()
}

// manyUsers is from how many users on a registry is made anew when most have gone: a map keeps the size it once had.
const manyUsers = 1 << 14

func (r *registry) shrink() {
	if r.most < manyUsers || r.count > r.most/8 {
		return
	}
	fewer := make(map[uint64]*user, len(r.byPrefix)) // maps.Clone would keep the size
	maps.Copy(fewer, r.byPrefix)
	r.byPrefix, r.most = fewer, r.count
}

// all returns the actors, each once; those may be removed meanwhile.
func (r *registry) all() iter.Seq[*user] {
	return func(yield func(*user) bool) {
		for _, u := range r.byPrefix {
			for u != nil {
				next := u.namesake
				if !yield(u) {
					return
				}
				u = next
			}
		}
	}
}

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
	s.users.remove(u)
}

// startSeq returns the first seq of a new actor: above all that the user's former actors gave out.
func (s *Shard) startSeq() uint64 { return max(s.broker.seqs.now(), s.maxSeq) }

// leftOver takes back a letter that its actor will not see.
func (s *Shard) leftOver(u *user, l *letter) {
	switch l.kind {
	case letterSubmit, letterAttach:
		next := s.userFor(&u.id)
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
		l.phase = max(l.phase, linkClosing)
		l.dropControl()
		l.hangUp(protocol.CloseInternal, protocol.AppendClose(nil, protocol.CloseInternal), false)
	}
}
