package actors_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// newHost starts an actor system as a host has one. What it logs goes to log.
func newHost(t *testing.T, log *slog.Logger) *actor.ActorSystem {
	t.Helper()
	system := actor.NewActorSystem(actor.WithDeadLetterThrottleInterval(time.Millisecond),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	t.Cleanup(system.Shutdown)
	return system
}

// spawn starts an actor of the host that passes on what it gets.
func spawn(system *actor.ActorSystem) (*actor.PID, chan any) {
	got := make(chan any, 1000)
	return system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) { got <- c.Message() })), got
}

// await returns the next message of type T, and skips those of the library.
func await[T any](t *testing.T, got chan any) T {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m := <-got:
			if wanted, ok := m.(T); ok {
				return wanted
			}
			switch m.(type) {
			case *actor.Started, *actor.Stopping, *actor.Stopped:
			default:
				t.Fatalf("got %T, want %T", m, *new(T))
			}
		case <-timeout:
			t.Fatalf("no %T came", *new(T))
		}
	}
}

func TestHostActor_IsAUser(t *testing.T) {
	system := newHost(t, quiet())
	b := newBroker(t, newMemory(), actors.WithSystem(system, "enigma/"))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	pid, got := spawn(system)
	receiver := b.ConnectActor(pid, bob, actors.ReceiverOptions{})
	if m := await[*actors.ReceiverStarted](t, got); m.Receiver != receiver || receiver.User() != bob {
		t.Fatalf("started %+v", m)
	}
	b.SubmitFor(pid, actors.Envelope{From: alice, To: bob, Payload: "hello", ID: "m1"})
	m := await[*actors.Message](t, got)
	if m.From != alice || m.Payload != "hello" || m.ID != "m1" {
		t.Fatalf("received %+v", m)
	}
	m.Confirm()
	if o := await[*actors.Outcome](t, got); o.Err != nil || o.Envelope.ID != "m1" {
		t.Fatalf("outcome %+v", o)
	}
	b.SubmitFor(pid, actors.Envelope{From: bob, To: protocol.NewUserID([]byte("nobody"))})
	if o := await[*actors.Outcome](t, got); actors.CodeOf(o.Err) != protocol.CodeUserNotFound {
		t.Fatalf("outcome %+v", o)
	}
	receiver.Close()
	if m := await[*actors.ReceiverEnded](t, got); m.Receiver != receiver || !errors.Is(m.Err, actors.ErrReceiverClosed) {
		t.Fatalf("ended %+v", m)
	}
	b.ConnectActor(pid, protocol.NewUserID([]byte("nobody")), actors.ReceiverOptions{})
	if m := await[*actors.ReceiverEnded](t, got); actors.CodeOf(m.Err) != protocol.CodeUserNotFound {
		t.Fatalf("ended %+v", m)
	}
}

// When the host's actor stops, its receiver ends, and what it has not confirmed is the next one's.
func TestHostActor_StoppedEndsItsReceiver(t *testing.T) {
	var log lockedBuffer
	system := newHost(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	b := newBroker(t, newMemory(), actors.WithSystem(system, "enigma/"))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	pid, got := spawn(system)
	receiver := b.ConnectActor(pid, bob, actors.ReceiverOptions{})
	await[*actors.ReceiverStarted](t, got)
	go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "a secret"})
	await[*actors.Message](t, got)
	var deadLetters atomic.Int64
	sub := system.EventStream.Subscribe(func(e any) {
		if _, dead := e.(*actor.DeadLetterEvent); dead {
			deadLetters.Add(1)
		}
	})
	if err := system.Root.StopFuture(pid).Wait(); err != nil {
		t.Fatal(err)
	}
	<-receiver.Done()
	b.Stats() // the end is through
	if n := deadLetters.Load(); n > 0 {
		t.Errorf("the actor that has stopped was sent %d messages", n)
	}
	system.EventStream.Unsubscribe(sub)
	system.Root.Send(pid, &actors.Message{Payload: "a secret"}) // as one that was on its way
	other, got := spawn(system)
	b.ConnectActor(other, bob, actors.ReceiverOptions{})
	await[*actors.ReceiverStarted](t, got)
	if m := await[*actors.Message](t, got); m.Payload != "a secret" {
		t.Fatalf("received %+v", m)
	}
	stopped, _ := spawn(system)
	if err := system.Root.StopFuture(stopped).Wait(); err != nil {
		t.Fatal(err)
	}
	<-b.ConnectActor(stopped, alice, actors.ReceiverOptions{}).Done()
	if strings.Contains(log.String(), "secret") {
		t.Fatalf("logged: %s", log.String())
	}
}

// A host's actor gets no more than it confirms, and so its mailbox is bounded.
func TestHostActor_IsNotFlooded(t *testing.T) {
	system := newHost(t, quiet())
	b := newBroker(t, newMemory(), actors.WithSystem(system, "enigma/"))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	pid, got := spawn(system)
	b.ConnectActor(pid, bob, actors.ReceiverOptions{})
	await[*actors.ReceiverStarted](t, got)
	a := attach(t, b, alice)
	for range 300 {
		a.send(bob, "x")
	}
	var last *actors.Message
	for range 256 {
		last = await[*actors.Message](t, got)
	}
	a.send(alice, "to myself")
	a.next() // everything before it has been dealt with
	if len(got) > 0 {
		t.Fatalf("%d messages more than 256 unconfirmed ones", len(got))
	}
	last.Confirm()
	for range 44 {
		await[*actors.Message](t, got)
	}
}

// The host's system goes on after the broker as if it had not been there.
func TestHostSystem_IsLeftAlone(t *testing.T) {
	var log lockedBuffer
	system := newHost(t, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	var deadLetters atomic.Int64
	sub := system.EventStream.Subscribe(func(e any) {
		if _, dead := e.(*actor.DeadLetterEvent); dead {
			deadLetters.Add(1)
		}
	})
	defer system.EventStream.Unsubscribe(sub)
	listeners := system.EventStream.Length()
	mine, got := spawn(system)
	before := processes(system)

	first, second := newBroker(t, newMemory(), actors.WithSystem(system, "one/")),
		newBroker(t, newMemory(), actors.WithSystem(system, "two/"))
	if _, err := actors.New(actors.WithStore(newMemory()), actors.WithSystem(system, "one/")); !errors.Is(err, actor.ErrNameExists) {
		t.Fatalf("a third broker with a prefix in use: %v", err)
	}
	for _, b := range []*actors.Broker{first, second} {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		s := open(t, b, bob)
		go submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "a secret"})
		receive(t, s).Confirm()
		c := attach(t, b, alice, func(c *conn) { c.explode = true })
		c.send(alice, "x")
		c.await("the end", func() bool { return c.gone })
		b.ConnectActor(mine, alice, actors.ReceiverOptions{})
		await[*actors.ReceiverStarted](t, got)
		if m := await[*actors.Message](t, got); m.Payload != "x" {
			t.Fatalf("received %+v", m)
		}
		if err := shutdown(t, b); err != nil {
			t.Fatal(err)
		}
		await[*actors.ReceiverEnded](t, got)
	}
	system.Root.Send(mine, "still here")
	if text := await[string](t, got); text != "still here" {
		t.Fatal(text)
	}
	if system.IsStopped() || system.EventStream.Length() != listeners || deadLetters.Load() > 0 {
		t.Errorf("stopped %v, %d listeners of %d before, %d dead letters",
			system.IsStopped(), system.EventStream.Length(), listeners, deadLetters.Load())
	}
	if after := processes(system) - before; after > 1 { // the guardian of all brokers stays
		t.Errorf("%d processes are left behind", after)
	}
	if strings.Contains(log.String(), "secret") || bytes.Contains([]byte(log.String()), []byte("level=ERROR")) {
		t.Errorf("the system has logged: %s", log.String())
	}
	if err := system.Root.StopFuture(mine).Wait(); err != nil || deadLetters.Load() > 0 { // brokers that are gone do not watch it
		t.Errorf("stopped with %v, %d dead letters", err, deadLetters.Load())
	}
	again := newBroker(t, newMemory(), actors.WithSystem(system, "one/")) // the prefix is free again
	login(t, again, "alice")
}

// processes returns how many actors and other processes a system has.
func processes(system *actor.ActorSystem) (n int) {
	for _, bucket := range system.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += bucket.Count()
	}
	return n
}

func TestNew_RefusesPrefixesThatCouldMeet(t *testing.T) {
	system := newHost(t, quiet())
	for _, prefix := range []string{"", "enigma1"} {
		if _, err := actors.New(actors.WithStore(newMemory()), actors.WithSystem(system, prefix)); err == nil {
			t.Errorf("prefix %q is taken", prefix)
		}
	}
	for _, name := range []string{"mine/2", "mine/4", "mine/user@0"} {
		if _, err := system.Root.SpawnNamed(actor.PropsFromFunc(func(actor.Context) {}), name); err != nil {
			t.Fatal(err)
		}
	}
	b := newBroker(t, newMemory(), actors.WithSystem(system, "mine/"))
	for _, name := range []string{"alice", "bob", "carol"} {
		attach(t, b, login(t, b, name))
	}
}
