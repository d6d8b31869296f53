package web_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// focused tells what has the focus, by its id or else its text.
func (u *user) focused(want string) {
	u.t.Helper()
	u.until(fmt.Sprintf("document.activeElement.id === %q || document.activeElement.textContent.trim() === %[1]q", want))
}

func TestKeyboard_DoesEverything(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	bob := joined(t, s.URL("/"), "Bob", desktop)
	alice := newUser(t, "Alice", desktop)
	alice.open(s.URL("/"))

	// A key, a contact and a message without a mouse.
	alice.press(kb.Tab)
	alice.focused("create-key")
	alice.press(kb.Enter)
	alice.sees("#finish", "without a backup")
	for range 3 {
		alice.press(kb.Tab)
	}
	alice.focused("finish")
	alice.press(kb.Enter)
	alice.connected()
	alice.press("n", chromedp.KeyModifiers(chromedp.ModifierAlt))
	alice.focused("add-id")
	alice.fill("#add-id", bob.id())
	alice.press(kb.Tab)
	alice.focused("add-name")
	alice.fill("#add-name", "Bob")
	alice.press(kb.Enter)
	alice.focused("text")
	alice.fill("#text", "first line")
	alice.press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift))
	alice.press("x")
	alice.press(kb.Enter)
	alice.marked("first line\nx", "delivered")

	// Back to the list, along it, and in again; a draft waits.
	alice.press("d")
	alice.press(kb.Escape)
	alice.until("!document.querySelector('#open').checkVisibility() && document.activeElement.textContent.includes('Draft: d')")
	alice.press("k", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	alice.focused("search")
	alice.press("b")
	alice.press(kb.ArrowDown)
	alice.press(kb.Enter)
	alice.focused("text")
	alice.until("document.querySelector('#text').value === 'd'")

	// A dialog keeps the focus, closes on Escape and gives it back.
	alice.press(kb.Escape)
	alice.press("?")
	alice.sees("dialog", "New conversation")
	for range 3 {
		alice.press(kb.Tab)
		alice.until("document.activeElement === document.body || document.activeElement.closest('dialog')")
	}
	alice.press(kb.Escape)
	alice.until("!document.querySelector('dialog')")
	alice.press(kb.ArrowDown, chromedp.KeyModifiers(chromedp.ModifierAlt))
	alice.focused("text")
}
