package web_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// Keys without a character, as package kb encodes them.
var tab, enter, escape, arrowDown = key(kb.Tab), key(kb.Enter), key(kb.Escape), key(kb.ArrowDown)

func key(name string) rune { return []rune(name)[0] }

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
	alice.press(tab)
	alice.focused("create-key")
	alice.press(enter)
	alice.sees("#finish", "without a backup")
	for range 3 {
		alice.press(tab)
	}
	alice.focused("finish")
	alice.press(enter)
	alice.connected()
	alice.press('n', chromedp.KeyModifiers(chromedp.ModifierAlt))
	alice.focused("add-id")
	alice.fill("#add-id", bob.id())
	alice.press(tab)
	alice.focused("add-name")
	alice.fill("#add-name", "Bob")
	alice.press(enter)
	alice.focused("text")
	alice.fill("#text", "first line")
	alice.press(enter, chromedp.KeyModifiers(chromedp.ModifierShift))
	alice.press('x')
	alice.press(enter)
	alice.marked("first line\nx", "delivered")

	// Back to the list, along it, and in again; a draft waits.
	alice.press('d')
	alice.press(escape)
	alice.until("!document.querySelector('#open').checkVisibility() && document.activeElement.textContent.includes('Draft: d')")
	alice.press('k', chromedp.KeyModifiers(chromedp.ModifierCtrl))
	alice.focused("search")
	alice.press('b')
	alice.press(arrowDown)
	alice.press(enter)
	alice.focused("text")
	alice.until("document.querySelector('#text').value === 'd'")

	// A dialog keeps the focus, closes on Escape and gives it back.
	alice.press(escape)
	alice.until("!document.querySelector('#open').checkVisibility()")
	alice.press('?')
	alice.sees("dialog", "New conversation")
	for range 3 {
		alice.press(tab)
		alice.until("document.activeElement === document.body || document.activeElement.closest('dialog')")
	}
	alice.press(escape)
	alice.until("!document.querySelector('dialog')")
	alice.press(arrowDown, chromedp.KeyModifiers(chromedp.ModifierAlt))
	alice.focused("text")
}
