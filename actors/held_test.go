package actors_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// TestHeld_MailIsStoredWhenTheConnEnds sends mail to a user whose stored mail is just being read, which goes to the store
// as well, and more while that is being stored: it is held in memory. Whatever ends the conn meanwhile, all of it must be
// there the next time, in order.
func TestHeld_MailIsStoredWhenTheConnEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *actors.Broker, bob *conn, goOn func()){
		"shutdown": func(t *testing.T, b *actors.Broker, bob *conn, goOn func()) {
			ended := make(chan error, 1)
			go func() { ended <- shutdown(t, b) }()
			for bob.next().close != protocol.CloseGoingAway {
			}
			goOn()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		},
		"the client": func(t *testing.T, b *actors.Broker, bob *conn, goOn func()) {
			bob.drop()
			goOn()
			if err := shutdown(t, b); err != nil {
				t.Error(err)
			}
		},
		"a newer one": func(t *testing.T, b *actors.Broker, bob *conn, goOn func()) {
			newer := connect(t, b, bob.id, mute)
			for f := bob.next(); f.close != protocol.CloseReplaced; f = bob.next() {
			}
			goOn()
			for i := range 30 {
				if f := newer.next(); f.Payload != fmt.Sprint(i) {
					t.Fatalf("the newer one got %+v, want message %d", f, i)
				}
			}
			if err := shutdown(t, b); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := newFaulty()
			b := newBroker(t, store, actors.WithShards(1))
			alice, bob := login(t, b, "alice"), login(t, b, "bob")
			a := attach(t, b, alice)
			marked := func(mark string) { // all that was sent before has been taken in
				a.send(alice, mark)
				expect(t, a.next(), message(alice, alice, mark))
			}
			marked("one")
			parked := b.Stats().Parked
			for marked("two"); parked != b.Stats().Parked; marked("two") { // until she is live
				parked = b.Stats().Parked
			}
			for i := range 10 {
				a.send(bob, fmt.Sprint(i)) // to the store
			}
			for b.Stats().Appended < parked+10 {
				time.Sleep(time.Millisecond) // the store tells nobody
			}
			reading, storing := make(chan struct{}), make(chan struct{})
			reads, appends := store.Calls(storetest.Read), store.Calls(storetest.Append)
			store.Set(storetest.Fault{Hold: reading}, storetest.Read)
			store.Set(storetest.Fault{Hold: storing}, storetest.Append)
			c := attach(t, b, bob, mute)
			if err := store.Await(t.Context(), storetest.Read, reads+1); err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				a.send(bob, fmt.Sprint(10+i)) // to the store
			}
			marked("three")
			close(reading)
			if err := store.Await(t.Context(), storetest.Append, appends+1); err != nil {
				t.Fatal(err)
			}
			spilled := b.Stats().Spilled
			for i := range 10 {
				a.send(bob, fmt.Sprint(20+i)) // held
			}
			marked("four")
			end(t, b, c, func() { store.Heal(); close(storing) })
			if n := b.Stats().Spilled - spilled; n < 10 {
				t.Errorf("%d were held", n)
			}

			b = newBroker(t, store)
			c = attach(t, b, bob)
			for i := range 30 {
				expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
			}
		})
	}
}

// What is sent twice while the store is read for its recipient is one envelope, and another payload under its id a mistake.
func TestHeld_KnowsRepeats(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store, actors.WithShards(1))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice, v1)
	a.nextN(2)
	reading := make(chan struct{})
	reads := store.Calls(storetest.Read)
	store.Set(storetest.Fault{Hold: reading}, storetest.Read)
	c := attach(t, b, bob)
	if err := store.Await(t.Context(), storetest.Read, reads+1); err != nil {
		t.Fatal(err)
	}
	a.send(bob, "x", "m")
	a.send(bob, "x", "m")
	a.send(bob, "y", "m")
	a.send(bob, "z", "n")
	a.silent()
	close(reading)
	expect(t, c.next(), message(alice, bob, "x"))
	expect(t, c.next(), message(alice, bob, "z"))
	got := map[string]int{}
	for range 3 {
		f := a.next()
		got[f.Type+f.Code+f.ID]++
	}
	if got["ackm"] != 1 || got["ackn"] != 1 || got["errorID_CONFLICTm"] != 1 {
		t.Errorf("the sender is told %v", got)
	}
	a.silent()
	c.silent()
}
