package actors_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func newFaulty() *storetest.Faulty { return storetest.NewFaulty(newMemory()) }

func unavailable(to protocol.UserID) frame {
	return frame{Error: "Message store unavailable", Code: "STORE_UNAVAILABLE", To: to.String()}
}

// settled waits until a conn's mail has been read: until something sent to itself has come back live.
func settled(t *testing.T, c *conn) {
	t.Helper()
	c.send(c.id, "to myself")
	expect(t, c.next(), message(c.id, c.id, "to myself"))
}

func TestStoreDown_RefusesMailForAwayUsersAndDeliversLive(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
	a, c := attach(t, b, alice), attach(t, b, bob)
	a.send(bob, "before")
	c.next()
	settled(t, a) // or its first read fails, and it is closed
	store.Set(storetest.Fault{Before: persistence.ErrUnavailable},
		storetest.Append, storetest.Keys, storetest.Read, storetest.PutKeys, storetest.Ping, storetest.Confirm)
	a.send(carol, "x")
	expect(t, a.next(), unavailable(carol))
	for i := range 20 {
		a.send(bob, fmt.Sprint(i))
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
	}
	if _, err := b.Login(context.Background(), []byte("dave")); actors.CodeOf(err) != protocol.CodeStoreUnavailable {
		t.Fatalf("login: %v", err)
	}
	lost := attach(t, b, carol)
	expect(t, lost.next(), frame{close: protocol.CloseTryAgain})

	store.Heal()
	again := attach(t, b, carol)
	a.send(carol, "y")
	expect(t, again.next(), message(alice, carol, "y"))
}

func TestStoreFull_IsToldAndRecovers(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	a.send(bob, "kept")
	if err := store.Await(t.Context(), storetest.Append, 1); err != nil {
		t.Fatal(err)
	}
	store.Set(storetest.Fault{Items: persistence.ErrFull}, storetest.Append)
	a.send(bob, "refused")
	expect(t, a.next(), frame{Error: "Message store full", Code: "STORE_FULL", To: bob.String()})
	c := attach(t, b, bob)
	expect(t, c.next(), message(alice, bob, "kept"))
	store.Heal()
	c.drop()
	a.send(bob, "kept too")
	c = attach(t, b, bob)
	expect(t, c.next(), message(alice, bob, "kept too"))
}

func TestStoreHangs_SendersAreRefusedAllTheSame(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	a.send(bob, "first")
	if err := store.Await(t.Context(), storetest.Append, 1); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold, Late: true}, storetest.Append)
	a.send(bob, "second")
	expect(t, a.next(), unavailable(bob))
	close(hold)
	store.Heal()
	c := attach(t, b, bob)
	first := c.next()
	for first.close == protocol.CloseTryAgain { // by now that outcome is unknown to the broker too, and is asked for
		c = attach(t, b, bob)
		first = c.next()
	}
	expect(t, first, message(alice, bob, "first"))
	expect(t, c.next(), message(alice, bob, "second")) // whose outcome was unknown, and which had happened
}

func TestUnknownOutcome_IsRepeatedUntilKnown(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice, v1)
	a.nextN(2)
	store.Set(storetest.Fault{After: persistence.ErrUnknownOutcome, Times: 3}, storetest.Append)
	a.send(bob, "once", "m1")
	expect(t, a.next(), frame{Type: "ack", ID: "m1", To: bob.String()})
	if n := store.Calls(storetest.Append); n != 4 {
		t.Fatalf("%d append calls", n)
	}
	c := attach(t, b, bob)
	expect(t, c.next(), message(alice, bob, "once"))
	c.silent()
}

func TestUnknownOutcome_IsToldToTheSenderInTime(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	a.send(bob, "first")
	if err := store.Await(t.Context(), storetest.Append, 1); err != nil {
		t.Fatal(err)
	}
	store.Set(storetest.Fault{After: persistence.ErrUnknownOutcome}, storetest.Append)
	a.send(bob, "second")
	expect(t, a.next(), unavailable(bob))
	store.Heal()
}

func TestAcceptedMail_WaitsForTheStore(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob, mute)
	a.send(bob, "x")
	c.next()
	store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Append, storetest.Ping)
	c.drop() // the spill fails, and is repeated
	if err := store.Await(t.Context(), storetest.Append, 3); err != nil {
		t.Fatal(err)
	}
	store.Heal()
	f := frame{close: protocol.CloseTryAgain}
	for f.close == protocol.CloseTryAgain { // until the mail can be read
		f = attach(t, b, bob).next()
	}
	expect(t, f, message(alice, bob, "x"))
}

func TestShutdown_StoresWhatIsUnconfirmedAndCountsWhatIsLost(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob, mute)
	a.send(bob, "x")
	c.next()
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	expect(t, c.next(), frame{close: protocol.CloseGoingAway})

	b = newBroker(t, store)
	c = attach(t, b, bob, mute)
	expect(t, c.next(), message(alice, bob, "x"))
	a = attach(t, b, alice)
	a.send(bob, "y")
	expect(t, c.next(), message(alice, bob, "y"))
	store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Append)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err := b.Shutdown(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 accepted") {
		t.Fatalf("shutdown: %v", err)
	}
	if again := b.Shutdown(ctx); !errors.Is(again, err) {
		t.Fatalf("second shutdown: %v", again)
	}
	if n := b.Stats().Lost; n != 1 {
		t.Errorf("%d are counted as lost, want 1", n)
	}
}

func TestShutdown_TellsV1ClientsWhenToComeBack(t *testing.T) {
	b := newBroker(t, newMemory())
	a := attach(t, b, login(t, b, "alice"), v1)
	a.nextN(2)
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	expect(t, a.next(), frame{Type: "going_away"})
	expect(t, a.next(), frame{close: protocol.CloseGoingAway})
}

// panicking panics in the next Append.
type panicking struct {
	actors.Store
	bang atomic.Bool
}

func (p *panicking) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	if p.bang.Swap(false) {
		panic("store exploded")
	}
	return p.Store.Append(ctx, pending, errs)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestPanic_EndsOneUserOnly(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithLogger(quiet()))
	alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
	a, d := attach(t, b, alice), attach(t, b, carol)
	c := attach(t, b, bob, func(c *conn) { c.explode = true })
	a.send(bob, "x")
	expect(t, c.next(), frame{close: protocol.CloseInternal})
	c.await("the end", func() bool { return c.gone })
	a.send(carol, "still here")
	expect(t, d.next(), message(alice, carol, "still here"))
	c = attach(t, b, bob)
	expect(t, c.next(), message(alice, bob, "x"))
	if n := b.Stats().Panics; n != 1 {
		t.Fatalf("%d panics counted", n)
	}
}

func TestStorePanic_IsAnUnknownOutcome(t *testing.T) {
	store := &panicking{Store: newMemory()}
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice, v1)
	a.nextN(2)
	store.bang.Store(true)
	a.send(bob, "x", "m")
	expect(t, a.next(), frame{Type: "ack", ID: "m", To: bob.String()})
}

// What comes before the client's close, in the same read, still confirms.
func TestClose_DoesNotPassTheConfirmBeforeIt(t *testing.T) {
	b := newBroker(t, newMemory())
	alice := login(t, b, "alice")
	a := attach(t, b, alice)
	for name, profile := range map[string]func(*conn){"bob": mute, "carol": v1} {
		bob := login(t, b, name)
		c := attach(t, b, bob, profile)
		if c.v1 {
			c.nextN(2)
		}
		a.send(bob, "x")
		f := c.next()
		c.do(func() {
			if c.v1 {
				c.link.Recv(f.Seq)
			} else {
				c.link.Pong(c.pings[0])
			}
			c.link.Fail(protocol.CodeNone, protocol.CloseNormal)
		})
		c.await("the end", func() bool { return c.gone })
		c = attach(t, b, bob)
		a.send(bob, "fresh")
		expect(t, c.next(), message(alice, bob, "fresh"))
	}
}

// Reads whose users' appends have just failed are held back, all of a round as well as some.
func TestUnknownOutcome_HoldsBackWhatFollowsInTheRound(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store, actors.WithStoreActors(1))
	alice := login(t, b, "alice")
	a := attach(t, b, alice)
	ids := []protocol.UserID{login(t, b, "bob"), login(t, b, "carol")}
	for _, id := range ids {
		a.send(id, "x")
	}
	if err := store.Await(t.Context(), storetest.Append, 1); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		store.Set(storetest.Fault{After: persistence.ErrUnknownOutcome, Times: 2}, storetest.Append)
		var conns []*conn
		for _, id := range ids {
			c := attach(t, b, id, mute)
			conns = append(conns, c)
			a.send(id, "y")
		}
		for _, c := range conns {
			c.drop()
		}
	}
	store.Heal()
	for _, id := range ids {
		f := frame{close: protocol.CloseTryAgain}
		for f.close == protocol.CloseTryAgain {
			f = attach(t, b, id).next()
		}
		expect(t, f, message(alice, id, "x"))
	}
}

// A full store refuses new mail of a user whose accepted mail it has not taken, but lets it read and delete.
func TestStoreFull_ReadingAndDeletingGoOn(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	a.send(bob, "stored")
	if err := store.Await(t.Context(), storetest.Append, 1); err != nil {
		t.Fatal(err)
	}
	c := attach(t, b, bob, mute)
	expect(t, c.next(), message(alice, bob, "stored"))
	a.send(bob, "accepted")
	expect(t, c.next(), message(alice, bob, "accepted"))
	store.Set(storetest.Fault{Items: persistence.ErrFull}, storetest.Append)
	c.drop()
	if err := store.Await(t.Context(), storetest.Append, 3); err != nil {
		t.Fatal(err)
	}
	confirms := store.Calls(storetest.Confirm)
	c = attach(t, b, bob)
	expect(t, c.next(), message(alice, bob, "stored"))
	if err := store.Await(t.Context(), storetest.Confirm, confirms+1); err != nil {
		t.Fatal(err)
	}
	c.silent()
	store.Heal()
	expect(t, c.next(), message(alice, bob, "accepted"))
}

// A client that resumes confirms what is still on its way to the store; who sent it is told.
func TestResume_ConfirmsWhatIsBeingStored(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice, v1), attach(t, b, bob, v1)
	a.nextN(2)
	c.nextN(2)
	a.send(bob, "x", "m")
	seq := c.next().Seq
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold, Late: true}, storetest.Append)
	c.drop()
	if err := store.Await(t.Context(), storetest.Append, 1); err != nil {
		t.Fatal(err)
	}
	c = attach(t, b, bob, v1)
	c.recv(seq)
	expect(t, a.next(), frame{Type: "ack", ID: "m", To: bob.String()})
	close(hold)
	store.Heal()
	expect(t, c.next(), frame{Type: "ready"})
	expect(t, c.next(), frame{Type: "drained"})
	c.silent()
}
