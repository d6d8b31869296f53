package actors_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func TestCredit_StopsAndResumesAConn(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Append)
	sent := 0
	for !a.isPaused() {
		a.send(bob, fmt.Sprint(sent))
		sent++
	}
	if sent != actors.DefaultDelivery().CreditMessages {
		t.Fatalf("stopped after %d envelopes", sent)
	}
	store.Heal()
	close(hold)
	a.await("credit", func() bool { return !a.paused })
	c := attach(t, b, bob)
	for i := range sent {
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
	}
}

func TestCredit_CountsBytes(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	bob := login(t, b, "bob")
	a := attach(t, b, login(t, b, "alice"))
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Append)
	large := strings.Repeat("x", 100<<10)
	sent := 0
	for !a.isPaused() {
		a.send(bob, large)
		sent++
	}
	close(hold)
	if sent != 11 { // of 100 KiB in 1 MiB
		t.Fatalf("stopped after %d envelopes", sent)
	}
}

func TestCredit_AnswersNotReadHoldIt(t *testing.T) {
	b := newBroker(t, newMemory())
	a := attach(t, b, login(t, b, "alice"), func(c *conn) { c.stuck = true })
	nobody := protocol.NewUserID([]byte("nobody"))
	sent := 0
	for !a.isPaused() {
		a.send(nobody, "x")
		if sent++; sent > 1000 {
			t.Fatal("never stopped")
		}
	}
	a.do(func() {
		a.set(func() { a.stuck = false })
		a.link.Writable()
	})
	a.nextN(sent)
	a.await("credit", func() bool { return !a.paused })
}

func TestErrors_ComeInTheOrderOfTheFrames(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice := login(t, b, "alice")
	a := attach(t, b, alice)
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Keys)
	nobody := protocol.NewUserID([]byte("nobody"))
	a.send(nobody, "asks the store")
	a.do(func() { a.link.Refuse(protocol.CodeInvalidMessage, nil, nil) })
	a.send(alice, "to myself, meanwhile")
	expect(t, a.next(), message(alice, alice, "to myself, meanwhile"))
	a.silent()
	close(hold)
	if f := a.next(); f.Code != "USER_NOT_FOUND" {
		t.Fatalf("first %+v", f)
	}
	if f := a.next(); f.Code != "INVALID_MESSAGE" {
		t.Fatalf("then %+v", f)
	}
}

func TestQuota_RefusesNewMailAndKeepsAccepted(t *testing.T) {
	b := newBroker(t, storetest.NewMemory(persistence.Quota{Messages: 5}))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob, mute)
	for i := range 10 {
		a.send(bob, fmt.Sprint(i)) // live: accepted
	}
	c.nextN(10)
	c.drop()
	a.send(bob, "too many")
	expect(t, a.next(), frame{Error: "Mailbox full", Code: "MAILBOX_FULL", To: bob.String()})
	c = attach(t, b, bob)
	for i := range 10 {
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
	}
}

// Readers that do not read hold no more memory than the budget; when they read, they get everything.
func TestMemory_TheBudgetParksSlowReaders(t *testing.T) {
	const limit = 1 << 20
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice := login(t, b, "alice")
		a := attach(t, b, alice)
		var slow []*conn
		for i := range 20 {
			c := attach(t, b, login(t, b, fmt.Sprint("slow", i)), func(c *conn) { c.room = i * 1000 }) // in the middle of a frame
			slow = append(slow, c)
		}
		large := strings.Repeat("x", 10<<10)
		for i := range 20 {
			for _, c := range slow {
				a.await("credit", func() bool { return !a.paused })
				a.send(c.id, fmt.Sprint(i, large))
			}
		}
		time.Sleep(200 * time.Millisecond) // simulated: the budget is looked after every few ticks, one round at a time
		synctest.Wait()
		if used := b.Stats().Buffered; used > limit {
			t.Fatalf("%d bytes buffered over a budget of %d", used, limit)
		}
		for _, c := range slow {
			c.do(func() {
				c.set(func() { c.room = -1 })
				c.link.Writable()
			})
			for i := range 20 {
				expect(t, c.next(), message(alice, c.id, fmt.Sprint(i, large)))
			}
		}
	}, actors.WithMemory(limit))
}

// Conns that take no bytes and keep more than the budget, with which nothing can be done, are closed; others go on.
func TestMemory_WhoKeepsItAllIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob)
		var stuck []*conn
		for i := range 10 {
			s := attach(t, b, login(t, b, fmt.Sprint("stuck", i)), func(c *conn) { c.stuck = true })
			s.do(func() { // with Pongs that it does not read
				for range 10_000 {
					s.link.Ping(make([]byte, 125))
				}
			})
			stuck = append(stuck, s)
		}
		a.send(bob, "after all")
		expect(t, c.next(), message(alice, bob, "after all"))
		a.await("credit", func() bool { return !a.paused })
		closed := 0
		for _, s := range stuck {
			s.set(func() {
				if s.gone {
					closed++
				}
			})
		}
		if closed == 0 || closed == len(stuck) {
			t.Errorf("%d of %d stuck conns were closed", closed, len(stuck))
		}
		if stats := b.Stats(); stats.Buffered > stats.Budget+stats.Budget/4 {
			t.Errorf("%d bytes are buffered, with a budget of %d", stats.Buffered, stats.Budget)
		}
	}, actors.WithMemory(1<<20))
}
