package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func TestSubmit_RefusesWhatIsWrong(t *testing.T) {
	b := newBroker(t, storetest.NewMemory(persistence.Quota{Messages: 1, Bytes: 1 << 20}))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	for name, c := range map[string]struct {
		e    actors.Envelope
		want protocol.Code
	}{
		"no such user":        {actors.Envelope{To: protocol.NewUserID([]byte("nobody"))}, protocol.CodeUserNotFound},
		"not UTF-8":           {actors.Envelope{To: bob, Payload: "\xff"}, protocol.CodeInvalidMessage},
		"an id with a line":   {actors.Envelope{To: bob, ID: "a\nb"}, protocol.CodeInvalidMessage},
		"a long id":           {actors.Envelope{To: bob, ID: strings.Repeat("x", 65)}, protocol.CodeInvalidMessage},
		"no time to live":     {actors.Envelope{To: bob, TTL: -1}, protocol.CodeInvalidMessage},
		"a short time":        {actors.Envelope{To: bob, TTL: 1}, protocol.CodeInvalidMessage},
		"more than the limit": {actors.Envelope{To: bob, Payload: strings.Repeat("x", 128<<10)}, protocol.CodeMessageTooLarge},
		"more when escaped":   {actors.Envelope{To: bob, Payload: strings.Repeat("\x01", 32<<10)}, protocol.CodeMessageTooLarge},
	} {
		c.e.From = alice
		if err := submit(t, b, c.e); actors.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	kept := actors.Envelope{From: alice, To: bob, Payload: "x", ID: `a "quoted\ id`}
	for range 2 { // the second is a repeat
		if err := submit(t, b, kept); err != nil {
			t.Fatal(err)
		}
	}
	kept.Payload = "y"
	if err := submit(t, b, kept); actors.CodeOf(err) != protocol.CodeIDConflict {
		t.Errorf("another payload under the same id: %v", err)
	}
	kept.ID = ""
	if err := submit(t, b, kept); actors.CodeOf(err) != protocol.CodeMailboxFull {
		t.Errorf("one more than fits: %v", err)
	}
	s := open(t, b, bob)
	if m := receive(t, s); m.Payload != "x" || m.ID != `a "quoted\ id` {
		t.Errorf("received %+v", m)
	}
}

// The same id to two users is two envelopes; the same one twice at a time is one.
func TestSubmit_OutcomesFindTheirEnvelopes(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
	nobody := protocol.NewUserID([]byte("nobody"))
	outcomes := make(map[protocol.UserID]chan error)
	twice := func(to protocol.UserID, id string) {
		outcome := make(chan error, 3)
		outcomes[to] = outcome
		for range 2 {
			b.SubmitFunc(actors.Envelope{From: alice, To: to, Payload: "x", ID: id}, func(err error) { outcome <- err })
		}
	}
	all := func(to protocol.UserID, want protocol.Code) {
		t.Helper()
		for range 2 {
			if err := <-outcomes[to]; actors.CodeOf(err) != want {
				t.Fatalf("got %v, want %v", err, want)
			}
		}
	}
	for _, to := range []protocol.UserID{bob, carol} {
		twice(to, "first")
		all(to, protocol.CodeNone)
	}
	before := store.Calls(storetest.Append)
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Append)
	for _, to := range []protocol.UserID{nobody, bob, carol} {
		twice(to, "same")
	}
	outcome := outcomes[bob]
	b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "other", ID: "same"}, func(err error) { outcome <- err })
	if err := <-outcomes[bob]; actors.CodeOf(err) != protocol.CodeIDConflict {
		t.Fatalf("another payload under an id on its way: %v", err)
	}
	close(hold)
	store.Heal()
	all(nobody, protocol.CodeUserNotFound)
	all(bob, protocol.CodeNone)
	all(carol, protocol.CodeNone)
	if n := store.Calls(storetest.Append) - before; n > 2 {
		t.Fatalf("%d appends for two envelopes", n)
	}
}

func TestSubmit_GivesUpWhenNothingIsHeard(t *testing.T) {
	store := newFaulty()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	s := open(t, b, bob)
	store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Append, storetest.Ping)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error, 1)
	go func() { outcome <- b.Submit(ctx, actors.Envelope{From: alice, To: bob, Payload: "x"}) }()
	m := receive(t, s)
	cancel()
	if err := <-outcome; !errors.Is(err, persistence.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	m.Confirm()
	store.Heal()
}

func TestSubmit_KeepsTheOrderOfASender(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithShards(2))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	s := open(t, b, bob)
	const n = 2000
	outcomes := make(chan error, n)
	go func() {
		slots := make(chan struct{}, 200)
		for i := range n {
			slots <- struct{}{}
			b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: fmt.Sprint(i)}, func(err error) {
				<-slots
				outcomes <- err
			})
		}
	}()
	for i := range n {
		m := receive(t, s)
		if m.Payload != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", m.Payload, i)
		}
		m.Confirm()
	}
	for range n {
		if err := <-outcomes; err != nil {
			t.Fatal(err)
		}
	}
}

// However many acks a turn brings for one sender of the host, they all are told: nobody there reads too slowly.
func TestSubmit_TakesAnyNumberOfAcksAtOnce(t *testing.T) {
	delivery := actors.DefaultDelivery()
	delivery.SpillAfter, delivery.OutboxBytes = time.Minute, 1<<20
	delivery.CreditMessages, delivery.CreditBytes = 1<<20, 1<<30
	b := newBroker(t, newMemory(), actors.WithDelivery(delivery))
	alice := login(t, b, "alice")
	const users, each = 24, 250 // and so over a megabyte of acks
	long := strings.Repeat(`"`, 60)
	outcomes := make(chan error, users*each)
	var conns []*conn
	for i := range users {
		c := attach(t, b, login(t, b, fmt.Sprint("user", i)), v1)
		c.nextN(2)
		conns = append(conns, c)
		for n := range each {
			b.SubmitFunc(actors.Envelope{From: alice, To: c.id, ID: long + fmt.Sprint(1000+n)}, func(err error) { outcomes <- err })
		}
	}
	var first []uint64
	for _, c := range conns {
		first = append(first, c.next().Seq)
		c.do(func() {})
	}
	b.Stats() // all are placed
	conns[0].do(func() {
		for i, c := range conns {
			c.link.Recv(first[i] + each - 1)
		}
	})
	for range users * each {
		if err := <-outcomes; err != nil {
			t.Fatal(err)
		}
	}
}

// What waits behind a sender's credit goes before what comes when there is credit again.
func TestSubmit_NothingOvertakesWhatWaitsForCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		delivery := actors.DefaultDelivery()
		delivery.CreditMessages = 8
		b := newBroker(t, store, actors.WithDelivery(delivery))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		hold := make(chan struct{})
		before := store.Calls(storetest.Append)
		store.Set(storetest.Fault{Hold: hold}, storetest.Append)
		const all = 40
		outcomes := make(chan error, all)
		next := 0
		var more func()
		more = func() { // the first eight here, then one for each outcome, while others wait
			i := next
			next++
			b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: fmt.Sprint(i)}, func(err error) {
				outcomes <- err
				if next < all {
					more()
				}
			})
		}
		more()
		if err := store.Await(t.Context(), storetest.Append, before+1); err != nil {
			t.Fatal(err) // the first is under way alone, so that its outcome comes before the others'
		}
		for range 7 {
			more()
		}
		synctest.Wait()
		others := make(chan struct{}) // whose outcomes come together, when one more waits already
		store.Set(storetest.Fault{Hold: others}, storetest.Append)
		close(hold)
		synctest.Wait()
		store.Heal()
		close(others)
		for range all {
			if err := <-outcomes; err != nil {
				t.Fatal(err)
			}
		}
		r := open(t, b, bob)
		for i := range all {
			if m := receive(t, r); m.Payload != fmt.Sprint(i) {
				t.Fatalf("received %q, want %d", m.Payload, i)
			}
		}
	})
}

// A broker keeps nothing of a sender that has fallen silent, and serves it when it speaks again.
func TestSubmit_SendersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, newMemory(), actors.WithShards(1))
		bob := login(t, b, "bob")
		shard := b.ShardFor(bob)
		for range 2 {
			for i := range 100 {
				from := protocol.NewUserID(fmt.Append(nil, "sender", i))
				if err := submit(t, b, actors.Envelope{From: from, To: bob, Payload: "x"}); err != nil {
					t.Fatal(err)
				}
			}
			if n := shard.Desks(); n != 100 {
				t.Fatalf("%d senders are known", n)
			}
			time.Sleep(2 * time.Minute)
			if n := shard.Desks(); n != 0 {
				t.Fatalf("%d senders are still known", n)
			}
		}
	})
}

// Whoever waits for an outcome when the broker ends is told one, and those behind the credit that nothing was done.
func TestSubmit_TheEndIsAnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		delivery := actors.DefaultDelivery()
		delivery.CreditMessages = 4
		b := newBroker(t, store, actors.WithDelivery(delivery), actors.WithLogger(quiet()))
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		store.Set(storetest.Fault{Hold: make(chan struct{})}, storetest.Append)
		var unknown, refused atomic.Int64
		for range 8 {
			b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "x"}, func(err error) {
				switch {
				case errors.Is(err, persistence.ErrUnknownOutcome):
					unknown.Add(1)
				case actors.CodeOf(err) == protocol.CodeStoreUnavailable:
					refused.Add(1)
				}
			})
		}
		synctest.Wait() // all have come to the shard, and the store is at the first
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b.Shutdown(ctx)
		if unknown.Load() != 4 || refused.Load() != 4 {
			t.Errorf("of 8 envelopes the outcome of %d is unknown, %d are refused", unknown.Load(), refused.Load())
		}
	})
}

// An outcome that comes after its time is not taken for that of another envelope with the same id.
func TestSubmit_ALateOutcomeIsNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		b := newBroker(t, store)
		alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
		c, d := attach(t, b, bob, mute), attach(t, b, carol, mute)
		store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Append, storetest.Ping)
		send := func(to protocol.UserID, id string) chan error {
			outcome := make(chan error, 1)
			b.SubmitFunc(actors.Envelope{From: alice, To: to, Payload: "x", ID: id}, func(err error) { outcome <- err })
			return outcome
		}
		first := send(bob, "same")
		time.Sleep(20 * time.Second)
		other := send(carol, "other")
		if err := <-first; !errors.Is(err, persistence.ErrUnknownOutcome) {
			t.Fatalf("after half a minute: %v", err)
		}
		second, repeat := send(carol, "same"), send(carol, "same")
		d.nextN(2)
		confirm := func(c *conn) {
			c.do(func() { c.pong(c.pings[len(c.pings)-1]) })
			synctest.Wait()
		}
		confirm(c)
		select {
		case err := <-second:
			t.Fatalf("told what is somebody else's: %v", err)
		default:
		}
		confirm(d)
		time.Sleep(time.Second) // the next fence
		confirm(d)
		if err := errors.Join(<-other, <-second, <-repeat); err != nil {
			t.Fatal(err)
		}
		store.Heal()
	})
}
