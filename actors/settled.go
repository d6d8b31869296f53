package actors

import (
	"hash/maphash"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// maxSettledIDs is for how many settled envelopes with an id an actor still recognises a repeat.
const maxSettledIDs = 1024

// idSeed keeps senders from constructing two ids of one hash.
var idSeed = maphash.MakeSeed()

// hashID is the identity of an envelope among those of its recipient, in 64 bits. Should two be the same, the later one is
// refused as a conflict: for it to be taken for a repeat, and lost, the digests of the payloads had to be the same as well.
func hashID(from protocol.UserID, id []byte) uint64 {
	var buf [128]byte
	return maphash.Bytes(idSeed, append(append(buf[:0], from[:]...), id...))
}

// settledIDs is the last maxSettledIDs identities that were settled, with the digests of their payloads: a ring, and a hash
// table of its places with linear probing, at most half full. It holds no pointers, and 20 bytes an id: a user who gets
// mail with ids has such a table for as long as its actor lives.
type settledIDs struct {
	ring   []settledID
	oldest int      // of a full ring
	index  []uint16 // places in the ring, counted from 1; 0 is free
}

type settledID struct{ hash, digest uint64 }

func (s *settledIDs) len() int { return len(s.ring) }

// find returns the digest of the payload that was settled under an identity.
func (s *settledIDs) find(hash uint64) (digest uint64, ok bool) {
	if at, ok := s.at(hash); ok {
		return s.ring[s.index[at]-1].digest, true
	}
	return 0, false
}

// at returns where in the index an identity is.
func (s *settledIDs) at(hash uint64) (at int, ok bool) {
	if len(s.index) == 0 {
		return 0, false
	}
	for at = s.home(hash); s.index[at] != 0; at = s.behind(at) {
		if s.ring[s.index[at]-1].hash == hash {
			return at, true
		}
	}
	return at, false
}

func (s *settledIDs) home(hash uint64) int  { return int(hash & uint64(len(s.index)-1)) }
func (s *settledIDs) behind(at int) int     { return (at + 1) & (len(s.index) - 1) }
func (s *settledIDs) distance(a, b int) int { return (b - a) & (len(s.index) - 1) }

// add makes an identity the last that was settled. The oldest is forgotten for it when there are too many.
func (s *settledIDs) add(hash, digest uint64) {
	if at, ok := s.at(hash); ok {
		s.remove(at) // its place in the ring is forgotten when its time comes
	}
	place := len(s.ring)
	if place < maxSettledIDs {
		s.ring = append(s.ring, settledID{})
		s.grow()
	} else {
		place = s.oldest
		s.oldest = (s.oldest + 1) % maxSettledIDs
		if at, ok := s.at(s.ring[place].hash); ok && int(s.index[at]) == place+1 {
			s.remove(at)
		}
	}
	s.ring[place] = settledID{hash, digest}
	at, _ := s.at(hash)
	s.index[at] = uint16(place + 1)
}

// grow makes the index anew when the ring has outgrown it. The last place of the ring is not in it yet.
func (s *settledIDs) grow() {
	if 2*len(s.ring) <= len(s.index) {
		return
	}
	before := s.index
	s.index = make([]uint16, max(16, 2*len(before)))
	for _, place := range before {
		if place != 0 {
			at, _ := s.at(s.ring[place-1].hash)
			s.index[at] = place
		}
	}
}

// remove frees a place of the index, and moves up what lies behind it and would not be found any more.
func (s *settledIDs) remove(at int) {
	free := at
	for next := s.behind(free); s.index[next] != 0; next = s.behind(next) {
		if home := s.home(s.ring[s.index[next]-1].hash); s.distance(home, next) >= s.distance(free, next) {
			s.index[free] = s.index[next]
			free = next
		}
	}
	s.index[free] = 0
}
