package web_test

import (
	"fmt"
	"testing"
)

// joined opens the page as a new user, makes a key and waits for the connection.
func joined(t *testing.T, url, name string, size [2]int64) *user {
	t.Helper()
	u := newUser(t, name, size)
	u.open(url)
	u.makeKey()
	return u
}

// makeKey goes through the making of a key.
func (u *user) makeKey() {
	u.t.Helper()
	u.click("#create-key")
	u.click("#finish")
	u.connected()
}

// connected waits for the messenger to be ready.
func (u *user) connected() {
	u.t.Helper()
	u.until("!document.querySelector('#app').hidden && document.querySelector('#status').dataset.state === 'ready'")
}

// id is the user's own id.
func (u *user) id() string {
	u.t.Helper()
	return eval[string](u, inDatabase("account", "me", "record.id"))
}

// inDatabase is an expression about one record of the page's database.
func inDatabase(store, key, value string) string {
	return fmt.Sprintf(`new Promise((resolve, reject) => {
		const opening = indexedDB.open('enigma');
		opening.onerror = () => reject(opening.error);
		opening.onsuccess = () => {
			const db = opening.result;
			const get = db.transaction(%q).objectStore(%[1]q).get(%q);
			get.onsuccess = () => { db.close(); const record = get.result; resolve(%s); };
		};
	})`, store, key, value)
}

// add begins a conversation with an id.
func (u *user) add(id, name string) {
	u.t.Helper()
	u.click("#new-button")
	u.fill("#add-id", id)
	u.fill("#add-name", name)
	u.click("#add-submit")
}

// writeTo is add and waits for the conversation to be open.
func (u *user) writeTo(id, name string) {
	u.t.Helper()
	u.add(id, name)
	u.sees("#contact-button", name)
}

// says writes a message in the open conversation.
func (u *user) says(text string) {
	u.t.Helper()
	u.fill("#text", text)
	u.click("#send-button")
	u.sees(".message.out", text)
}

// hears waits for a message in the open conversation.
func (u *user) hears(text string) {
	u.t.Helper()
	u.sees(".message.in", text)
}

// marked waits until the last own message with this text has a state.
func (u *user) marked(text, state string) {
	u.t.Helper()
	u.until(fmt.Sprintf("[...document.querySelectorAll('.message.out')].findLast(e => e.textContent.includes(%q))?.querySelector('.mark')?.classList.contains(%q)", text, state))
}

// choose opens the conversation of which the list shows this text.
func (u *user) choose(text string) {
	u.t.Helper()
	u.sees("#list .row", text)
	u.do(fmt.Sprintf("[...document.querySelectorAll('#list .row')].find(e => e.textContent.includes(%q)).click()", text))
	u.until("document.querySelector('#open').checkVisibility()")
}
