package web_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// leave closes the page, as somebody does who goes away. The profile stays.
func (u *user) leave() {
	u.t.Helper()
	u.visit("about:blank")
}

func TestAway_MailWaits(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice := joined(t, s.URL("/"), "Alice", desktop)
	bob := joined(t, s.URL("/"), "Bob", desktop)
	id := bob.id()
	bob.leave()

	alice.writeTo(id, "Bob")
	alice.says("one")
	alice.says("two")
	alice.marked("two", "stored")

	bob.open(s.URL("/"))
	bob.connected()
	bob.until("document.title === '(2) Enigma'")
	bob.choose("two")
	bob.hears("one")
	bob.sees(".unread-line", "2 new messages")
	bob.until("document.title === 'Enigma'")
	alice.marked("one", "delivered")
	alice.marked("two", "delivered")
}

func TestAway_TheServerIsRestarted(t *testing.T) {
	store := t.TempDir()
	s := enigmatest.Start(t, "--admin", "off", "--store", store)
	alice := joined(t, s.URL("/"), "Alice", desktop)
	bob := joined(t, s.URL("/"), "Bob", desktop)
	for _, u := range []*user{alice, bob} {
		u.allow("ERR_CONNECTION_REFUSED")
	}
	alice.writeTo(bob.id(), "Bob")
	alice.says("before")
	alice.marked("before", "delivered")
	if status := s.Stop(); status != 0 {
		t.Errorf("the server ended with %d", status)
	}

	alice.sees("#status", "Trying again")
	alice.says("meanwhile")
	alice.marked("meanwhile", "queued")
	alice.leave() // what she wrote is kept
	_ = enigmatest.Start(t, "--admin", "off", "--store", store, "--listen", s.Addr)
	bob.connected()
	alice.open(s.URL("/"))
	alice.connected()
	alice.choose("Bob")
	alice.marked("meanwhile", "delivered")
	bob.choose("meanwhile")
	bob.hears("before")
}

func TestAway_AFullMailboxIsTriedAgain(t *testing.T) {
	s := enigmatest.Start(t, "--mailbox-messages", "1")
	alice := joined(t, s.URL("/"), "Alice", desktop)
	bob := joined(t, s.URL("/"), "Bob", desktop)
	id := bob.id()
	bob.leave()
	alice.writeTo(id, "Bob")
	alice.says("one")
	alice.marked("one", "stored")
	alice.says("two")
	alice.sees("#notice", "This mailbox is full")
	alice.marked("two", "queued")
	bob.open(s.URL("/"))
	bob.choose("two")
	bob.hears("one")
	alice.marked("two", "delivered")
	alice.until("document.querySelector('#notice').hidden")
}
