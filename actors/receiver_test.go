package actors_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
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
	first.Close()
	b.Stats() // it has come to the shard, and changes nothing
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

// A shutdown waits for a receiver's confirms no longer than it takes them to come, and a second at most.
func TestReceiver_HoldsUpAShutdownAsLongAsItMust(t *testing.T) {
	for name, c := range map[string]struct {
		confirms bool
		most     time.Duration
	}{"it confirms": {true, 500 * time.Millisecond}, "it does not": {false, 1500 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, newMemory())
				alice, bob := login(t, b, "alice"), login(t, b, "bob")
				r := open(t, b, bob)
				go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "x"})
				m := receive(t, r)
				start := time.Now()
				down := make(chan error, 1)
				go func() { down <- shutdown(t, b) }()
				synctest.Wait()
				if c.confirms {
					m.Confirm()
				}
				if err := <-down; err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > c.most {
					t.Errorf("it took %v of simulated time", took)
				}
				<-r.Done()
			})
		})
	}
}

// Who gives up connecting is not connected afterwards, and has replaced nobody.
func TestReceiver_GivenUpIsNotAttached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		b := newBroker(t, store)
		bob := login(t, b, "bob")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		hold := make(chan struct{})
		store.Set(storetest.Fault{Hold: hold}, storetest.Keys)
		if _, err := b.Connect(ctx, bob, actors.ReceiverOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("while the store is slow: %v", err)
		}
		store.Heal()
		close(hold)
		synctest.Wait()
		if s := b.Stats(); s.Attached != s.Detached {
			t.Errorf("%d attached, %d detached", s.Attached, s.Detached)
		}
		c := attach(t, b, bob)
		busy := make(chan struct{})
		c.shard.Post(job(func() { <-busy }))
		if _, err := b.Connect(ctx, bob, actors.ReceiverOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("while the shard is busy: %v", err)
		}
		close(busy)
		c.send(bob, "still here")
		expect(t, c.next(), message(bob, bob, "still here"))
	})
}

// A receiver lives as long as its host wants it, however little comes.
func TestReceiver_IsNotDroppedForItsSilence(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		r := open(t, b, bob)
		time.Sleep(time.Hour)
		go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "x"})
		receive(t, r).Confirm()
	})
}

// Whoever waits in Receive gets what there is, though it has come in one write.
func TestReceiver_WakesAllWhoWait(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, r := attach(t, b, alice), open(t, b, bob)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := r.Receive(ctx)
				got <- err
			}()
		}
		synctest.Wait()
		a.do(func() {
			for range 3 {
				a.link.Submit(&actors.Submission{To: bob, Payload: []byte("x"), Size: 1})
			}
		})
		for range 3 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
	})
}

// An id that the broker has made up is nobody's to repeat, and not kept for that.
func TestReceiver_OnlyIDsOfTheHostAreRemembered(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	r := open(t, b, bob)
	for i := range 20 {
		e := actors.Envelope{From: alice, To: bob}
		if i%2 == 0 {
			e.ID = fmt.Sprint("mine", i)
		}
		outcome := make(chan error, 1)
		b.SubmitFunc(e, func(err error) { outcome <- err })
		receive(t, r).Confirm()
		if err := <-outcome; err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Remembered(bob); n != 10 {
		t.Errorf("%d ids are remembered, want 10", n)
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
