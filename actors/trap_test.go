package actors_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Each test here is about a trap of protoactor-go that the broker must not step in.

// A nil message spins the library's own queue for ever.
func TestTrap_NilMessageIsRefused(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob)
	b.System().Root.Send(b.PIDOf(bob), nil)
	a.send(bob, "x")
	expect(t, c.next(), message(alice, bob, "x"))
	if n := b.Stats().NilMessages; n != 1 {
		t.Fatalf("%d nil messages counted", n)
	}
}

func TestTrap_UnknownMessageIsCounted(t *testing.T) {
	b := newBroker(t, newMemory())
	bob := login(t, b, "bob")
	c := attach(t, b, bob)
	b.System().Root.Send(b.PIDOf(bob), "what is this")
	c.silent()
	if n := b.Stats().UnknownMessages; n != 1 {
		t.Fatalf("%d unknown messages counted", n)
	}
}

// Stop drops silently what is queued, Poison what comes after.
func TestTrap_StoppedActorHandsItsMailOn(t *testing.T) {
	for name, stop := range map[string]func(*actor.RootContext, *actor.PID){
		"stop":   func(r *actor.RootContext, pid *actor.PID) { r.Stop(pid) },
		"poison": func(r *actor.RootContext, pid *actor.PID) { r.Poison(pid) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t, newMemory())
			alice, bob := login(t, b, "alice"), login(t, b, "bob")
			a, c := attach(t, b, alice), attach(t, b, bob, mute)
			a.send(bob, "unconfirmed")
			c.next()
			pid := b.PIDOf(bob)
			a.do(func() { // in one turn: mail, the stop, and mail behind it
				for i := range 3 {
					a.link.Submit(&actors.Submission{To: bob, Payload: fmt.Append(nil, i), Size: 1})
				}
				stop(b.System().Root, pid)
				a.link.Submit(&actors.Submission{To: bob, Payload: []byte("3"), Size: 1})
			})
			c.await("the end", func() bool { return c.gone })
			c = attach(t, b, bob)
			expect(t, c.next(), message(alice, bob, "unconfirmed"))
			for i := range 4 {
				expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
			}
			a.silent()
		})
	}
}

// What an actor that panics has not seen of its turn's mail goes to its successor, in order and in front of what came later.
func TestTrap_PanickedActorHandsItsMailOn(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithShards(1), actors.WithLogger(quiet()))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob, mute)
	a.send(bob, "unconfirmed")
	c.next()
	a.do(func() {
		for i := range 4 {
			if i == 1 {
				b.Upset(bob)
			}
			a.link.Submit(&actors.Submission{To: bob, Payload: fmt.Append(nil, i), Size: 1})
		}
	})
	c.await("the end", func() bool { return c.gone })
	c = attach(t, b, bob)
	expect(t, c.next(), message(alice, bob, "unconfirmed"))
	for i := range 4 {
		expect(t, c.next(), message(alice, bob, fmt.Sprint(i)))
	}
	a.silent()
}

// A restart builds a new instance without key and conn, and the library's default is to restart.
func TestTrap_PanickedActorIsNotRestarted(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithLogger(quiet()))
	bob := login(t, b, "bob")
	c := attach(t, b, bob, func(c *conn) { c.explode = true })
	pid := b.PIDOf(bob)
	c.send(bob, "x")
	c.await("the end", func() bool { return c.gone })
	if again := b.PIDOf(bob); again == pid {
		t.Fatal("the same actor runs again")
	}
}

// The dead-letter log prints payloads to the standard error.
func TestTrap_DeadLettersAreNotLogged(t *testing.T) {
	var log lockedBuffer
	b := newBroker(t, newMemory(), actors.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	b.System().Root.Send(actor.NewPID("nonhost", "nobody"), "a secret payload")
	c := attach(t, b, login(t, b, "bob"), func(c *conn) { c.explode = true })
	c.send(c.id, "another secret")
	c.await("the end", func() bool { return c.gone })
	if strings.Contains(log.String(), "secret") {
		t.Fatalf("logged: %s", log.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The library's queues never shrink.
func TestTrap_BurstLeavesNothingBehind(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a, c := attach(t, b, alice), attach(t, b, bob)
	payload := []byte(strings.Repeat("x", 1000))
	for range 20 {
		a.do(func() {
			for range 200 {
				a.link.Submit(&actors.Submission{To: bob, Payload: payload, Size: len(payload)})
			}
		})
		c.nextN(200)
	}
	c.await("the buffers' return", func() bool { return b.Stats().Buffered == 0 })
	letters, buffers := a.shard.Holdings()
	if letters > 1024 || buffers > 4<<20 {
		t.Fatalf("%d letters and %d bytes kept", letters, buffers)
	}
}

// Two brokers may run in one actor system; the names of their actors do not meet.
func TestTrap_TwoBrokersInOneSystem(t *testing.T) {
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet() }))
	defer system.Shutdown()
	one := newBroker(t, newMemory(), actors.WithSystem(system, "one/"))
	two := newBroker(t, newMemory(), actors.WithSystem(system, "two/"))
	alice, again := login(t, one, "alice"), login(t, two, "alice")
	a, c := attach(t, one, alice), attach(t, two, again)
	a.send(alice, "in one")
	c.send(again, "in two")
	expect(t, a.next(), message(alice, alice, "in one"))
	expect(t, c.next(), message(alice, alice, "in two"))
}

func TestShards_UsersOfDifferentShardsTalk(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithShards(4))
	var ids []protocol.UserID
	var conns []*conn
	for i := range 12 {
		id := login(t, b, fmt.Sprint("user", i))
		setup := []func(*conn){}
		if i%2 == 1 {
			setup = append(setup, v1)
		}
		c := attach(t, b, id, setup...)
		if c.v1 {
			c.nextN(2)
		}
		ids, conns = append(ids, id), append(conns, c)
	}
	for i, from := range conns {
		for j, to := range conns {
			id := fmt.Sprintf("m%d-%d", i, j)
			from.send(ids[j], id, id)
			f := to.next()
			if f.Payload != id || f.From != ids[i].String() {
				t.Fatalf("%d to %d: %+v", i, j, f)
			}
			if to.v1 {
				to.recv(f.Seq)
			}
			if from.v1 {
				expect(t, from.next(), frame{Type: "ack", ID: id, To: ids[j].String()})
			}
		}
	}
	nobody := protocol.NewUserID([]byte("nobody"))
	for _, c := range conns {
		c.send(nobody, "x", "n")
		if f := c.next(); f.Code != "USER_NOT_FOUND" {
			t.Fatalf("%+v", f)
		}
	}
}

// Several acks in one parcel are each what they were when it was packed.
func TestShards_AcksOfOneTurnAreTold(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithShards(2))
	bob := attach(t, b, login(t, b, "bob"), v1)
	alice := bob
	for i := 0; alice.shard == bob.shard; i++ {
		alice = attach(t, b, login(t, b, fmt.Sprint("alice", i)), v1)
	}
	alice.nextN(2)
	bob.nextN(2)
	const messages = 20
	for i := range messages {
		alice.send(bob.id, "x", fmt.Sprint("id", i))
	}
	got := bob.nextN(messages)
	bob.recv(got[messages-1].Seq)
	for i := range messages {
		expect(t, alice.next(), frame{Type: "ack", ID: fmt.Sprint("id", i), To: bob.id.String()})
	}
}
