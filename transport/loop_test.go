package transport

import (
	"fmt"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// An id that was read last is known by its text alone. Whatever was read in between, that text must mean that id.
func TestKnownID_IsOfTheTextThatWasReadLast(t *testing.T) {
	bob, carol := protocol.NewUserID([]byte("bob")), protocol.NewUserID([]byte("carol"))
	escaped := fmt.Sprintf(`\u%04x%s`, carol.String()[0], carol.String()[1:])
	between := []struct {
		raw string
		id  *protocol.UserID
	}{
		{escaped, &carol},
		{escaped[:protocol.UserIDLen], nil},
		{carol.String(), &carol},
		{bob.String(), &bob},
		{strings.ToUpper(bob.String()), nil},
		{strings.Repeat("\x00", protocol.UserIDLen), nil},
		{"", nil},
		{bob.String() + "a", nil},
		{`\u0041` + bob.String()[1:], nil},
	}
	var k knownID
	read := func(raw string, want *protocol.UserID) {
		t.Helper()
		got := k.read([]byte(raw))
		if want == nil && got != nil || want != nil && (got == nil || *got != *want) {
			t.Errorf("%q is taken for %v, want %v", raw, got, want)
		}
	}
	for _, b := range between {
		read(b.raw, b.id)
		read(bob.String(), &bob)
		read(b.raw, b.id)
		read(b.raw, b.id)
	}
}
