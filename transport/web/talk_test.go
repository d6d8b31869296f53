package web_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestTwoPages_TalkBothWays(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice := joined(t, s.URL("/"), "Alice", desktop)
	bob := joined(t, s.URL("/"), "Bob", phone)

	alice.writeTo(bob.id(), "Bob")
	alice.says("Hello Bob, <b>is that you?</b> & https://example.com/?a=1&b=2.")
	alice.marked("Hello Bob", "delivered")

	// Bob has not added Alice: her message opens a conversation that says so.
	bob.choose("Hello Bob")
	bob.hears("<b>is that you?</b>")
	bob.sees("#notice", "You have not added this user")
	bob.clickText("Add")
	bob.until("document.querySelector('#notice').hidden")
	bob.says("It is. 👋")
	bob.marked("It is.", "delivered")
	alice.hears("It is. 👋")
	alice.shot("alice")
	bob.shot("bob")

	// History and contact are still there after the page is loaded again.
	alice.reload()
	alice.connected()
	alice.choose("Bob")
	alice.hears("It is. 👋")
	alice.sees(".message.out", "Hello Bob")
	if href := eval[string](alice, "document.querySelector('.message.out a').href"); href != "https://example.com/?a=1&b=2" {
		t.Errorf("the link goes to %q", href)
	}
}
