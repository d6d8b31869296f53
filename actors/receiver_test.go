package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// open connects a receiver that ends with the test.
func open(t *testing.T, b *actors.Broker, id protocol.UserID) *actors.Receiver {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := b.Connect(ctx, id, actors.ReceiverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func receive(t *testing.T, s *actors.Receiver) *actors.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := s.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func submit(t *testing.T, b *actors.Broker, e actors.Envelope) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.Submit(ctx, e)
}

// closed ends a receiver and waits for that.
func closed(t *testing.T, s *actors.Receiver) {
	t.Helper()
	s.Close()
	<-s.Done()
	if !errors.Is(s.Err(), actors.ErrReceiverClosed) {
		t.Fatalf("closed with %v", s.Err())
	}
}

func TestReceiver_ReceivesWhatIsSubmitted(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	s := open(t, b, bob)
	outcome := make(chan error, 1)
	b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "hello", ID: "m1"}, func(err error) { outcome <- err })
	m := receive(t, s)
	if m.From != alice || m.Payload != "hello" || m.ID != "m1" || m.Seq == 0 || m.Time.IsZero() || m.Redelivered {
		t.Fatalf("received %+v", m)
	}
	m.Confirm()
	if err := <-outcome; err != nil {
		t.Fatal(err)
	}
	if n := b.Stats().Spilled + b.Stats().Parked; n != 0 {
		t.Fatalf("%d envelopes went to the store on their way to a receiver that confirms", n)
	}
}

func TestReceiver_UnconfirmedMailStaysWithTheBroker(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	for i := range 3 {
		if err := submit(t, b, actors.Envelope{From: alice, To: bob, Payload: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, b, bob)
	first, second := receive(t, s), receive(t, s)
	first.Confirm()
	closed(t, s)
	if _, err := s.Receive(t.Context()); !errors.Is(err, actors.ErrReceiverClosed) {
		t.Fatalf("received after the end: %v", err)
	}
	s = open(t, b, bob)
	again, third := receive(t, s), receive(t, s)
	if again.Seq != second.Seq || again.Payload != "1" || third.Payload != "2" {
		t.Fatalf("received %+v and %+v", again, third)
	}
	third.Confirm()
	closed(t, s)
	if err := submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "fresh"}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, open(t, b, bob)); m.Payload != "fresh" {
		t.Fatalf("received %+v, which was confirmed", m)
	}
}

func TestReceiver_EndsWithTheReason(t *testing.T) {
	b := newBroker(t, newMemory())
	bob := login(t, b, "bob")
	_, err := b.Connect(t.Context(), protocol.NewUserID([]byte("nobody")), actors.ReceiverOptions{})
	if actors.CodeOf(err) != protocol.CodeUserNotFound {
		t.Fatalf("a user nobody knows: %v", err)
	}
	first := open(t, b, bob)
	second, err := b.Connect(t.Context(), bob, actors.ReceiverOptions{Proven: true})
	if err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	if code := actors.CodeOf(first.Err()); code != protocol.CodeReplaced {
		t.Fatalf("replaced with %v", first.Err())
	}
	if _, err := b.Connect(t.Context(), bob, actors.ReceiverOptions{}); actors.CodeOf(err) != protocol.CodeProofRequired {
		t.Fatalf("without proof beside one that has proved: %v", err)
	}
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	<-second.Done()
	if code := actors.CodeOf(second.Err()); code != protocol.CodeStoreUnavailable {
		t.Fatalf("at the shutdown: %v", second.Err())
	}
	if _, err := b.Connect(t.Context(), bob, actors.ReceiverOptions{}); actors.CodeOf(err) != protocol.CodeStoreUnavailable {
		t.Fatalf("after the shutdown: %v", err)
	}
}

// A receiver confirms what it is working on when the broker shuts down, so nothing of that comes again.
func TestReceiver_ConfirmsDuringShutdown(t *testing.T) {
	store := newMemory()
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	s := open(t, b, bob)
	go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "x"})
	m := receive(t, s)
	down := make(chan error, 1)
	go func() { down <- shutdown(t, b) }()
	for b.Stats().Spilled == 0 { // the shutdown has begun
		select {
		case err := <-down:
			t.Fatalf("shut down without waiting: %v", err)
		default:
		}
	}
	m.Confirm()
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	b = newBroker(t, store)
	go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "y"})
	if m := receive(t, open(t, b, bob)); m.Payload != "y" {
		t.Fatalf("received %+v again", m)
	}
}

// What is text for the host is text for the recipient, whatever it holds, and JSON on the way.
func TestReceiver_PayloadsArriveAsTheyAre(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
	s, c := open(t, b, bob), attach(t, b, carol, mute)
	id := 0
	rapid.Check(t, func(r *rapid.T) {
		payload := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\"\\\x00\x1f\x7f\n/é😀a")))).
			Filter(utf8.ValidString).Draw(r, "payload")
		name := rapid.StringMatching(`[ -~]{0,40}`).Draw(r, "id")
		if name != "" {
			id++
			name += fmt.Sprintf("%d", id)
		}
		outcome := make(chan error, 2)
		b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: payload, ID: name}, func(err error) { outcome <- err })
		m := receive(t, s)
		m.Confirm()
		if m.Payload != payload || name != "" && m.ID != name {
			r.Fatalf("sent %q as %q, received %q as %q", payload, name, m.Payload, m.ID)
		}
		b.SubmitFunc(actors.Envelope{From: alice, To: carol, Payload: payload, ID: name}, func(err error) { outcome <- err })
		if f := c.next(); f.Payload != payload {
			r.Fatalf("sent %q, the plain client reads %q", payload, f.Payload)
		}
		if err := <-outcome; err != nil {
			r.Fatal(err)
		}
	})
}

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
		outcomes[to] = make(chan error, 3)
		for range 2 {
			b.SubmitFunc(actors.Envelope{From: alice, To: to, Payload: "x", ID: id}, func(err error) { outcomes[to] <- err })
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
	b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "other", ID: "same"}, func(err error) { outcomes[bob] <- err })
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

// A sender who does not wait is refused past its credit and as much again; who waits is not.
func TestSubmit_IsBoundedPerSender(t *testing.T) {
	store := newFaulty()
	delivery := actors.DefaultDelivery()
	delivery.CreditMessages = 8
	b := newBroker(t, store, actors.WithDelivery(delivery))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Append)
	outcomes := make(chan error, 100)
	for range 80 {
		b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "x"}, func(err error) { outcomes <- err })
	}
	for range 64 {
		if err := <-outcomes; actors.CodeOf(err) != protocol.CodeRateLimited {
			t.Fatalf("got %v", err)
		}
	}
	for range 20 {
		go func() { outcomes <- submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "x"}) }()
	}
	close(hold)
	store.Heal()
	for range 16 + 20 {
		if err := <-outcomes; err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Stats().Buffered; n > 1<<20 {
		t.Fatalf("%d bytes are counted as buffered in the end", n)
	}
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
