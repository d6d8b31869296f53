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

// What comes for a user who has more stored than a conn is given at once counts for the quota, though the user is attached:
// who connects again and again would else have more stored each time.
func TestQuota_IsNotEscapedByConnectingAgain(t *testing.T) {
	const quota = 10
	large := strings.Repeat("x", 50<<10)
	store := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{Messages: quota}))
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	full := frame{Error: "Mailbox full", Code: "MAILBOX_FULL", To: bob.String()}
	for i := range quota {
		a.send(bob, fmt.Sprint(i, large))
	}
	for range 3 {
		hold := make(chan struct{})
		reads := store.Calls(storetest.Read)
		store.Set(storetest.Fault{Hold: hold}, storetest.Read)
		c := attach(t, b, bob, mute)
		if err := store.Await(t.Context(), storetest.Read, reads+1); err != nil {
			t.Fatal(err)
		}
		a.send(bob, "too many")
		close(hold)
		expect(t, a.next(), full)
		c.nextN(quota / 2)
		a.send(bob, "too many as well")
		expect(t, a.next(), full)
		c.drop()
	}
	c := attach(t, b, bob)
	for i := range quota {
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i, large)))
	}
	c.silent()
}

// A full store does not take what conns leave that end. However much that becomes, it slows nobody down, and at the brim
// conns leave hardly anything.
func TestStoreFull_WhatItDoesNotTakeSlowsNobody(t *testing.T) {
	const limit, crowd = 256 << 10, 40
	large := strings.Repeat("x", 10<<10)
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		b := newBroker(t, store, actors.WithMemory(limit))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob)
		reader := func(name string) *conn {
			one := attach(t, b, login(t, b, name), mute)
			synctest.Wait()
			return one
		}
		store.Set(storetest.Fault{Items: persistence.ErrFull}, storetest.Append)
		came := map[protocol.UserID]int{}
		refused := 0
		for i := range crowd {
			one := reader(fmt.Sprint("crowd", i))
			for range 4 {
				a.send(one.id, large)
			}
			n := len(one.received())
			came[one.id] = n
			if n == 0 {
				t.Fatalf("number %d got nothing", i)
			}
			for range 4 - n {
				expect(t, a.next(), frame{Error: "Message store full", Code: "STORE_FULL", To: one.id.String()})
				refused++
			}
			one.drop()
			synctest.Wait()
		}
		if refused < crowd {
			t.Errorf("%d of %d were refused", refused, 4*crowd)
		}
		slow := reader("slow")
		a.send(slow.id, large)
		spilled := b.Stats().Spilled
		time.Sleep(10 * time.Second) // simulated: nothing becomes better by itself
		if n := b.Stats().Spilled; n > spilled {
			t.Errorf("%d are copied for a store that is full", n-spilled)
		}
		for range 100 {
			a.await("credit", func() bool { return !a.paused })
			a.send(bob, large[:1000])
			expect(t, c.next(), message(alice, bob, large[:1000]))
		}
		a.silent()

		store.Heal()
		time.Sleep(2 * time.Second) // simulated: the store is asked again once in a second at least
		slow.drop()
		synctest.Wait()
		if used := b.Stats().Buffered; used > 0 {
			t.Errorf("%d bytes are kept that the store has by now", used)
		}
		for id, n := range came {
			one := attach(t, b, id)
			for range n {
				expect(t, one.next(), message(alice, id, large))
			}
			one.silent()
		}
		later, parked := reader("later"), b.Stats().Parked
		for range 10 {
			a.send(later.id, large)
		}
		later.nextN(10)
		if n := b.Stats().Parked; n > parked {
			t.Errorf("%d went to the store, which was not necessary", n-parked)
		}
		for range 20 { // more than an outbox takes
			a.send(later.id, large)
		}
		synctest.Wait()
		a.silent()
	})
}

// received returns what has come by the time that nothing goes on any more.
func (c *conn) received() []frame {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames
}

// While the store is full the memory of readers that do not read cannot be had by storing what they have: they are closed.
func TestStoreFull_StuckReadersAreClosed(t *testing.T) {
	const limit = 256 << 10
	large := strings.Repeat("x", 10<<10)
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		b := newBroker(t, store, actors.WithMemory(limit))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob)
		gone := attach(t, b, login(t, b, "gone"), mute)
		var stuck []*conn
		for i := range 5 {
			stuck = append(stuck, attach(t, b, login(t, b, fmt.Sprint("stuck", i)), func(c *conn) { c.stuck = true }))
		}
		synctest.Wait()
		store.Set(storetest.Fault{Items: persistence.ErrFull}, storetest.Append)
		a.send(gone.id, "to be refused by the store")
		gone.next()
		gone.drop()
		synctest.Wait()
		spilled := b.Stats().Spilled
		a.do(func() { // in one turn, before it is known how much that is
			for range 10 {
				for _, one := range stuck {
					a.link.Submit(&actors.Submission{To: one.id, Payload: []byte(large), Size: len(large)})
				}
			}
		})
		synctest.Wait()
		if n := b.Stats().Spilled; n > spilled {
			t.Errorf("%d are copied for a store that is full", n-spilled)
		}
		time.Sleep(10 * time.Second) // simulated: full for more than a second
		closed := 0
		for _, one := range stuck {
			frames := one.received()
			if n := len(frames); n > 0 && frames[n-1].close == protocol.CloseTryAgain {
				closed++
			}
		}
		if closed == 0 || closed == len(stuck) {
			t.Errorf("%d of %d are closed", closed, len(stuck))
		}
		a.await("credit", func() bool { return !a.paused })
		a.silent()
		a.send(bob, "x")
		expect(t, c.next(), message(alice, bob, "x"))
	})
}
