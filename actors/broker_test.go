package actors_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

func TestBroker_LogsInOnceAndFindsTheKey(t *testing.T) {
	b := newBroker(t, newMemory())
	id := login(t, b, "alice")
	if again := login(t, b, "alice"); again != id {
		t.Fatalf("second login gave %s, first %s", again, id)
	}
	key, err := b.PublicKey(context.Background(), id)
	if err != nil || string(key) != "alice" {
		t.Fatalf("key %q, %v", key, err)
	}
	_, err = b.PublicKey(context.Background(), protocol.NewUserID([]byte("nobody")))
	if actors.CodeOf(err) != protocol.CodeUserNotFound {
		t.Fatalf("unknown user: %v", err)
	}
	if _, err = b.Login(context.Background(), nil); actors.CodeOf(err) != protocol.CodeBadRequest {
		t.Fatalf("empty key: %v", err)
	}
}

func TestBroker_DeliversToAnAttachedUser(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob)
	for i := range 100 {
		a.send(bob, fmt.Sprint("hello ", i))
	}
	for i := range 100 {
		expect(t, c.next(), message(alice, bob, fmt.Sprint("hello ", i)))
	}
	c.send(bob, "to myself")
	expect(t, c.next(), message(bob, bob, "to myself"))
	if s := b.Stats(); s.Appended != 0 {
		t.Fatalf("%d envelopes went to the store", s.Appended)
	}
}

func TestBroker_KeepsMailForAUserWhoIsAway(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	for i := range 600 {
		a.send(bob, fmt.Sprint(i))
	}
	c := attach(t, b, bob)
	for i := range 600 {
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
	}
	a.send(bob, "live")
	expect(t, c.next(), message(alice, bob, "live"))
	a.silent()

}

func TestBroker_TellsOfAnUnknownRecipient(t *testing.T) {
	b := newBroker(t, newMemory())
	alice := login(t, b, "alice")
	a := attach(t, b, alice)
	nobody := protocol.NewUserID([]byte("nobody"))
	a.send(nobody, "x")
	expect(t, a.next(), frame{Error: "User not found", Code: "USER_NOT_FOUND", To: nobody.String()})
}

func TestBroker_ClosesAConnOfAnUnknownUser(t *testing.T) {
	b := newBroker(t, newMemory())
	c := attach(t, b, protocol.NewUserID([]byte("nobody")))
	expect(t, c.next(), frame{Error: "User not found", Code: "USER_NOT_FOUND"})
	expect(t, c.next(), frame{close: protocol.CloseUserNotFound})
}

func TestBroker_NewestConnWins(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	old := attach(t, b, bob)
	c := attach(t, b, bob)
	expect(t, old.next(), frame{Error: "Connected from another location", Code: "REPLACED"})
	expect(t, old.next(), frame{close: protocol.CloseReplaced})
	a.send(bob, "x")
	expect(t, c.next(), message(alice, bob, "x"))
}

func TestBroker_RedeliversWhatWasNotConfirmed(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	c := attach(t, b, bob, mute)
	for i := range 10 {
		a.send(bob, fmt.Sprint(i))
	}
	c.nextN(10)
	c.drop()
	c = attach(t, b, bob)
	for i := range 10 {
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
	}
}

func TestBroker_V1AcknowledgesAndResumes(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice, v1)
	expect(t, a.next(), frame{Type: "ready"})
	expect(t, a.next(), frame{Type: "drained"})
	a.send(bob, "away", "m1")
	expect(t, a.next(), frame{Type: "ack", ID: "m1", To: bob.String()})
	c := attach(t, b, bob, v1)
	expect(t, c.next(), frame{Type: "ready"})
	got := c.next()
	expect(t, got, frame{Type: "message", ID: "m1", From: alice.String(), To: bob.String(), Payload: "away"})
	expect(t, c.next(), frame{Type: "drained"})
	a.send(bob, "live", "m2")
	second := c.next()
	expect(t, second, frame{Type: "message", ID: "m2", From: alice.String(), To: bob.String(), Payload: "live"})
	if second.Seq <= got.Seq {
		t.Fatalf("seq %d after %d", second.Seq, got.Seq)
	}
	c.recv(second.Seq)
	expect(t, a.next(), frame{Type: "ack", ID: "m2", To: bob.String()})
	a.send(bob, "live", "m2")
	expect(t, a.next(), frame{Type: "ack", ID: "m2", To: bob.String()})
	a.send(bob, "other", "m2")
	f := a.next()
	expect(t, f, frame{Type: "error", Code: "ID_CONFLICT", Error: f.Error, ID: "m2", To: bob.String()})
	c.recv(1<<53 - 1)
	f = c.next()
	expect(t, f, frame{Type: "error", Code: "INVALID_MESSAGE", Error: f.Error})
	c.silent()
}

// A client that never answers a Ping gets all of its mail, again on each conn.
func TestBroker_ServesAClientThatNeverConfirms(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	for i := range 900 {
		a.send(bob, fmt.Sprint(i))
	}
	for range 3 {
		c := attach(t, b, bob, mute)
		for i := range 900 {
			expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
		}
		c.drop()
	}
}

// More than the window of a v1 client stands in its outbox; each confirm lets more of it go, without anything else to
// move it.
func TestBroker_MovesTheWindowOfAV1Client(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob, v1)
	c.nextN(2)
	const total = 700
	for i := range total {
		a.send(bob, fmt.Sprint(i))
	}
	for taken := 0; taken < total; {
		n := min(256, total-taken)
		got := c.nextN(n)
		if c.silent(); n == 256 && got[255].Payload != fmt.Sprint(taken+255) {
			t.Fatalf("got %+v", got[255])
		}
		c.recv(got[n-1].Seq)
		taken += n
	}
}
