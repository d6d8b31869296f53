package actors

import (
	"encoding/binary"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// A registry that was large is made anew when most users have gone, and those who are left stay in it.
func TestRegistry_IsMadeAnewWhenMostHaveGone(t *testing.T) {
	const most, left = 2 * manyUsers, manyUsers / 10
	s := &Shard{users: map[protocol.UserID]*user{}, mostUsers: most}
	list := make([]*user, most)
	for i := range list {
		list[i] = &user{}
		binary.BigEndian.PutUint32(list[i].id[:], uint32(i))
		s.users[list[i].id] = list[i]
	}
	for _, u := range list[left:] {
		s.forget(u)
	}
	if s.mostUsers > most/8 {
		t.Errorf("the registry has the size for %d users, with %d in it", s.mostUsers, len(s.users))
	}
	for _, u := range list[:left] {
		if s.users[u.id] != u {
			t.Fatal("a user is missing")
		}
	}
	if len(s.users) != left {
		t.Errorf("%d users are left, want %d", len(s.users), left)
	}
}
