package actors_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest/memory"
)

// exampleStore returns a store that survives nothing. Programs that are to keep mail use package persistence/embedded or
// persistence/redis.
func exampleStore() actors.Store {
	return memory.New(persistence.Quota{Messages: 1000, Bytes: 16 << 20})
}

// exampleLogin makes a user known, as Broker.Login does.
func exampleLogin(ctx context.Context, broker *actors.Broker, key string) protocol.UserID {
	id, err := broker.Login(ctx, []byte(key))
	if err != nil {
		log.Fatal(err)
	}
	return id
}

// A program sends and receives for users without any socket.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker, err := actors.New(actors.WithStore(exampleStore()))
	if err != nil {
		log.Fatal(err)
	}
	alice, err := broker.Login(ctx, []byte("alice's public key"))
	if err != nil {
		log.Fatal(err)
	}
	bob, err := broker.Login(ctx, []byte("bob's public key"))
	if err != nil {
		log.Fatal(err)
	}

	// Bob is away: the broker stores what is for him. Submit returns nil when it is safe.
	if err := broker.Submit(ctx, actors.Envelope{From: alice, To: bob, Payload: "hello, encrypted"}); err != nil {
		log.Fatal(err)
	}
	unknown := protocol.NewUserID([]byte("nobody's public key"))
	err = broker.Submit(ctx, actors.Envelope{From: alice, To: unknown, Payload: "hello?"})
	fmt.Println("to nobody:", actors.CodeOf(err))

	receiver, err := broker.Connect(ctx, bob, actors.ReceiverOptions{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := receiver.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("from alice:", m.From == alice, "payload:", m.Payload)
	m.Confirm() // it has been processed, and is not delivered again

	fmt.Println("shut down:", broker.Shutdown(ctx))
	// Output:
	// to nobody: USER_NOT_FOUND
	// from alice: true payload: hello, encrypted
	// shut down: <nil>
}

// The broker runs in the actor system of its host, and leaves it as it was.
func ExampleWithSystem() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	system := actor.NewActorSystem(actor.WithDeadLetterThrottleInterval(time.Millisecond),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	own := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, asked := c.Message().(string); asked {
			c.Respond("here")
		}
	}))

	first, err := actors.New(actors.WithStore(exampleStore()), actors.WithSystem(system, "first/"))
	if err != nil {
		log.Fatal(err)
	}
	second, err := actors.New(actors.WithStore(exampleStore()), actors.WithSystem(system, "second/"))
	if err != nil {
		log.Fatal(err)
	}
	exampleLogin(ctx, first, "alice's public key")
	_, err = second.PublicKey(ctx, protocol.NewUserID([]byte("alice's public key")))
	fmt.Println("in the second:", actors.CodeOf(err))
	fmt.Println(first.Shutdown(ctx), second.Shutdown(ctx))

	answer, err := system.Root.RequestFuture(own, "are you here?", time.Minute).Result()
	fmt.Println("the host's actor:", answer, err)
	system.Shutdown()
	// Output:
	// in the second: USER_NOT_FOUND
	// <nil> <nil>
	// the host's actor: here <nil>
}

// echo is an actor of the host that is a user: it sends back what it gets.
type echo struct {
	broker *actors.Broker
	user   protocol.UserID
	last   *actors.Message // to be confirmed, with all before it, when everything is answered
	open   int             // answers under way
}

// Receive implements actor.Actor.
func (e *echo) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		e.broker.ConnectActor(c.Self(), e.user, actors.ReceiverOptions{})
	case *actors.ReceiverStarted: // from here on mail comes
	case *actors.Message:
		e.last, e.open = m, e.open+1
		e.broker.SubmitFor(c.Self(), actors.Envelope{From: e.user, To: m.From, Payload: "you said: " + m.Payload})
	case *actors.Outcome: // in any order; m.Err says why one was refused, and this actor lets it be
		if e.open--; e.open == 0 {
			e.last.Confirm()
		}
	case *actors.ReceiverEnded: // replaced by another conn, or the broker has shut down
		c.Stop(c.Self())
	}
}

// An actor of the host is a user, with its mail in its own mailbox.
func ExampleBroker_ConnectActor() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker, err := actors.New(actors.WithStore(exampleStore()))
	if err != nil {
		log.Fatal(err)
	}
	alice, bot := exampleLogin(ctx, broker, "alice's public key"), exampleLogin(ctx, broker, "the bot's public key")
	broker.System().Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return &echo{broker: broker, user: bot} }))

	receiver, err := broker.Connect(ctx, alice, actors.ReceiverOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := broker.Submit(ctx, actors.Envelope{From: alice, To: bot, Payload: "hello"}); err != nil {
		log.Fatal(err)
	}
	m, err := receiver.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	m.Confirm()
	fmt.Println(m.Payload)
	fmt.Println(broker.Shutdown(ctx))
	// Output:
	// you said: hello
	// <nil>
}

// A host hears of what happens to users by the EventStream of the actor system.
func ExampleWithEvents() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker, err := actors.New(actors.WithStore(exampleStore()), actors.WithEvents())
	if err != nil {
		log.Fatal(err)
	}
	// Subscribers run on a goroutine of the broker, one event after the other.
	broker.System().EventStream.SubscribeWithPredicate(func(e any) {
		event := e.(*actors.Event)
		fmt.Printf("%s, count %d, code %q\n", event.Kind, event.Count, event.Code)
	}, func(e any) bool {
		event, ours := e.(*actors.Event)
		return ours && event.Broker == broker // a system may have several
	})
	alice, bob := exampleLogin(ctx, broker, "alice's public key"), exampleLogin(ctx, broker, "bob's public key")
	if err := broker.Submit(ctx, actors.Envelope{From: alice, To: bob, Payload: "for later"}); err != nil {
		log.Fatal(err)
	}
	broker.Submit(ctx, actors.Envelope{From: alice, Payload: "to the zero id, which nobody has"})
	receiver, err := broker.Connect(ctx, alice, actors.ReceiverOptions{})
	if err != nil {
		log.Fatal(err)
	}
	receiver.Close()
	<-receiver.Done()
	broker.Shutdown(ctx) // subscribers have been told of all when it returns
	// Output:
	// parked, count 1, code ""
	// refused, count 1, code "USER_NOT_FOUND"
	// attached, count 0, code ""
	// detached, count 0, code ""
}

// What nobody has confirmed when the broker shuts down is in the store.
func ExampleBroker_Shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store := exampleStore()
	broker, err := actors.New(actors.WithStore(store))
	if err != nil {
		log.Fatal(err)
	}
	alice, bob := exampleLogin(ctx, broker, "alice's public key"), exampleLogin(ctx, broker, "bob's public key")
	receiver, err := broker.Connect(ctx, bob, actors.ReceiverOptions{})
	if err != nil {
		log.Fatal(err)
	}
	outcome := make(chan error, 1)
	broker.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: "hello"}, func(err error) { outcome <- err })
	if _, err := receiver.Receive(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("shut down:", broker.Shutdown(ctx), broker.Shutdown(ctx)) // again does no harm
	<-receiver.Done()
	fmt.Println("the envelope is safe:", <-outcome)

	broker, err = actors.New(actors.WithStore(store))
	if err != nil {
		log.Fatal(err)
	}
	if receiver, err = broker.Connect(ctx, bob, actors.ReceiverOptions{}); err != nil {
		log.Fatal(err)
	}
	m, err := receiver.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	m.Confirm()
	fmt.Println("once more:", m.Payload)
	fmt.Println(broker.Shutdown(ctx), store.Close())
	// Output:
	// shut down: <nil> <nil>
	// the envelope is safe: <nil>
	// once more: hello
	// <nil> <nil>
}
