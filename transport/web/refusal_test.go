package web_test

import (
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestRefusal_WrongIDs(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	u := joined(t, s.URL("/"), "Alice", desktop)
	u.allow("404") // the browser's word for an unknown user
	u.add("not an id", "Nobody")
	u.sees("#add-problem", "An id has 32 letters")
	u.fill("#add-id", strings.Repeat("a", 32))
	u.click("#add-submit")
	u.sees("#add-problem", "Nobody on this server has this id")
	// Somebody whose key is of another kind.
	u.fill("#add-id", s.Login("alice"))
	u.click("#add-submit")
	u.sees("#add-problem", "of a kind this page cannot encrypt to")
	u.until("document.querySelectorAll('#list .row').length === 0")
}

func TestRefusal_AProofForAnotherHost(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off", "--public-host", "chat.example,other.example")
	u := newUser(t, "Alice", desktop)
	u.open(s.URL("/"))
	u.click("#create-key")
	u.click("#finish")
	u.sees("#status", "did not accept the proof of your key")
	u.clickText("Try again")
	u.sees("#status", "did not accept the proof of your key")
}

func TestRefusal_SomebodyElsesKey(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	u := joined(t, s.URL("/"), "Alice", desktop)
	// The id that was proved is locked; whoever has it without its private key stays out.
	u.do(`(async () => {
		const { generate } = await import(document.querySelector('script[type=module]').src.replace('main.js', 'crypto/x25519.js'));
		const { pair } = await generate();
		const db = await new Promise((resolve) => { const r = indexedDB.open('enigma'); r.onsuccess = () => resolve(r.result); });
		const tx = db.transaction('account', 'readwrite');
		const done = new Promise((resolve) => { tx.oncomplete = resolve; });
		const get = tx.objectStore('account').get('me');
		get.onsuccess = () => tx.objectStore('account').put({ ...get.result, privateKey: pair.privateKey }, 'me');
		await done;
		db.close();
	})()`)
	u.reload()
	u.sees("#status", "did not accept the proof of your key")
}

// A user of the plain profile writes in clear: that is not shown as if it had been encrypted.
func TestRefusal_WhatIsNotEncrypted(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	u := joined(t, s.URL("/"), "Alice", desktop)
	stranger := s.Connect(s.Login("stranger"))
	stranger.Send(u.id(), "in clear")
	stranger.Send(u.id(), "hpke1.AAAA")
	u.choose("Sent something this page cannot open")
	u.sees("#notice", "not of the kind this page encrypts to")
	u.until("document.querySelectorAll('.note').length === 1 && document.querySelector('#text').disabled")
	if strings.Contains(u.text("body"), "in clear") {
		t.Error("the page shows what came in clear")
	}
}

func TestRefusal_NoHTTPS(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off", "--public-host", insecureHost)
	u := newUser(t, "Alice", phone)
	port := s.Addr[strings.LastIndex(s.Addr, ":"):]
	u.allow("Cross-Origin-Opener-Policy") // which the browser ignores there, and says so
	u.open("http://" + insecureHost + port + "/")
	u.sees("#gate", "This page needs HTTPS")
	u.sees("#gate", "http://localhost"+port)
	u.shot("https")
}
