package main_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// stores names the stores that keep mail over a restart, and makes a fresh one of each.
var stores = map[string]func(t *testing.T) string{
	"embedded": func(t *testing.T) string { return t.TempDir() },
	"redis":    startRedis,
}

// newKey makes a key pair and returns the public key as a client logs it in: standard base64, one '/' at least, which
// in a path looks like two segments.
func newKey(t *testing.T) string {
	t.Helper()
	for {
		private, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if key := base64.StdEncoding.EncodeToString(private.PublicKey().Bytes()); strings.Contains(key, "/") {
			return key
		}
	}
}

// expectMessage checks that the next frame is this message and nothing more.
func expectMessage(t *testing.T, u *enigmatest.User, from, payload string) {
	t.Helper()
	f := u.Expect()
	if f.Error != "" || f.From != from || f.To != u.ID || f.Payload != payload {
		t.Fatalf("got %s, want %q from %s", f.Raw, payload, from)
	}
}

// TestOperation_AsSpecified follows the section Operation of the protocol's specification, step by step.
func TestOperation_AsSpecified(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			s := enigmatest.Start(t, "--store", store(t))

			// Key exchange. Alice and Bob generate their keys, log the public ones in and obtain their ids.
			aliceKey, bobKey := newKey(t), newKey(t)
			alice, bob := s.Login(aliceKey), s.Login(bobKey)
			if again := s.Login(aliceKey); again != alice || alice == bob {
				t.Fatalf("ids %s, %s and, again, %s", alice, bob, again)
			}
			// Alice requests Bob's public key.
			if key := s.Key(bob); key != bobKey {
				t.Fatalf("Bob's key is %q, want %q", key, bobKey)
			}

			// Message transmission. 1: Alice connects. 2: she sends a message to Bob.
			a := s.Connect(alice)
			b := s.Connect(bob)
			a.Send(bob, "sent while Bob is connected")
			// 3: Bob is connected, the server transmits the message.
			expectMessage(t, b, alice, "sent while Bob is connected")
			b.Send(alice, "and back")
			expectMessage(t, a, bob, "and back")

			// 4: Bob is not connected, the server stores the message and delivers it when he reconnects.
			b.AwaitConfirm()
			b.Leave()
			for i := range 3 {
				a.Send(bob, fmt.Sprint("sent while Bob is away ", i))
			}
			b = s.Connect(bob)
			for i := range 3 {
				expectMessage(t, b, alice, fmt.Sprint("sent while Bob is away ", i))
			}

			// 5: Bob cannot be found, the server notifies Alice with an error message.
			a.Send("nobody", "hello?")
			if f := a.Expect(); f.Error != "User not found" || f.Code != "USER_NOT_FOUND" || f.Payload != "" {
				t.Errorf("got %s, want an error", f.Raw)
			}
			a.Send(bob, "Alice goes on")
			expectMessage(t, b, alice, "Alice goes on")
		})
	}
}

func TestOperation_UnknownUsersAreTold(t *testing.T) {
	s := enigmatest.Start(t)
	const unknown = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	if status, body := s.Get("/connect/" + unknown); status != http.StatusNotFound || body["code"] != "USER_NOT_FOUND" {
		t.Errorf("connect: %d %v", status, body)
	}
	u := s.Connect(unknown)
	if f := u.Expect(); f.Error != "User not found" {
		t.Errorf("got %s, want an error", f.Raw)
	}
	if status := u.Closed(); status != 4404 {
		t.Errorf("closed with %d, want 4404", status)
	}
}

// TestOperation_MailAndKeysOutliveTheServer stops the server in between.
func TestOperation_MailAndKeysOutliveTheServer(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			where := store(t)
			s := enigmatest.Start(t, "--store", where)
			alice, bob := s.Login("alice"), s.Login("bob")
			a := s.Connect(alice)
			for i := range 10 {
				a.Send(bob, fmt.Sprint("before the stop ", i))
			}
			a.Leave()
			if status := s.Stop(); status != 0 {
				t.Fatalf("exit status %d\n%s", status, s.Log())
			}

			s = enigmatest.Start(t, "--store", where)
			if key := s.Key(bob); key != "bob" {
				t.Errorf("Bob's key is %q", key)
			}
			b := s.Connect(bob)
			for i := range 10 {
				expectMessage(t, b, alice, fmt.Sprint("before the stop ", i))
			}
			// What Bob has confirmed is not delivered again.
			b.AwaitConfirm()
			b.Leave()
			a, b = s.Connect(alice), s.Connect(bob)
			a.Send(bob, "after the stop")
			expectMessage(t, b, alice, "after the stop")
		})
	}
}
