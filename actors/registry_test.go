package actors

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// A message touches the first four of a user's cache lines and two of its Link's. Memory of these sizes begins at a line.
func TestUser_FitsItsCacheLines(t *testing.T) {
	const line = 64
	var u user
	if at, size := unsafe.Offsetof(u.delivery), unsafe.Sizeof(u); at != line || size != 5*line {
		t.Errorf("the delivery state begins at byte %d of %d", at, size)
	}
	if at := unsafe.Offsetof(u.pid); at != 4*line {
		t.Errorf("what a message does not need begins at byte %d", at)
	}
	if size := unsafe.Sizeof(Link{}); size != 2*line {
		t.Errorf("a Link has %d bytes", size)
	}
}

func numbered(prefix, rest uint64) *user {
	u := &user{}
	binary.LittleEndian.PutUint64(u.id[:], prefix)
	binary.LittleEndian.PutUint64(u.id[8:], rest)
	return u
}

// A registry that was large is made anew when most users have gone, and those who are left stay in it.
func TestRegistry_IsMadeAnewWhenMostHaveGone(t *testing.T) {
	const most, left = 2 * manyUsers, manyUsers / 10
	var r registry
	list := make([]*user, most)
	for i := range list {
		list[i] = numbered(uint64(i/2), uint64(i)) // each with a namesake
		r.add(list[i])
	}
	for _, u := range list[left:] {
		r.remove(u)
	}
	if r.most > most/8 {
		t.Errorf("the registry has the size for %d users, with %d in it", r.most, r.count)
	}
	for _, u := range list[:left] {
		if r.get(&u.id) != u {
			t.Fatal("a user is missing")
		}
	}
	if r.count != left {
		t.Errorf("%d users are left, want %d", r.count, left)
	}
}

// Users whose ids begin alike are found, go and come back without each other, in whatever order.
func TestRegistry_TellsNamesakesApart(t *testing.T) {
	var r registry
	list := []*user{numbered(7, 1), numbered(7, 2), numbered(7, 3), numbered(8, 1)}
	in := map[*user]bool{}
	check := func() {
		t.Helper()
		for _, u := range list {
			want := u
			if !in[u] {
				want = nil
			}
			if got := r.get(&u.id); got != want {
				t.Fatalf("%v is found as %p, want %p", u.id, got, want)
			}
		}
		seen := map[*user]bool{}
		for u := range r.all() {
			if seen[u] || !in[u] {
				t.Fatalf("%v is there twice, or has gone", u.id)
			}
			seen[u] = true
		}
		if len(seen) != len(in) || r.count != len(in) {
			t.Fatalf("%d of %d users, counted as %d", len(seen), len(in), r.count)
		}
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {2, 1, 0, 3}, {1, 3, 0, 2}, {1, 2, 0, 3}} {
		for _, u := range list {
			r.add(u)
			in[u] = true
			check()
		}
		for _, i := range order {
			r.remove(list[i])
			delete(in, list[i])
			check()
			r.remove(list[i]) // who has gone already takes nobody with it
			check()
		}
	}
}

// All can be removed while they are gone through, as at a shutdown.
func TestRegistry_IsEmptiedWhileItIsGoneThrough(t *testing.T) {
	var r registry
	for i := range uint64(2 * manyUsers) {
		r.add(numbered(i/3, i))
	}
	n := 0
	for u := range r.all() {
		r.remove(u)
		n++
	}
	if n != 2*manyUsers || r.count != 0 || r.get(&protocol.UserID{}) != nil {
		t.Errorf("%d of %d were gone through, %d are left", n, 2*manyUsers, r.count)
	}
}
