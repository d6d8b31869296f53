// Command embedded is the whole of a program that has the broker in it, without the server: an actor system of its own, a
// front end in memory, and the embedded store, in the directory that is its argument or one that is thrown away.
//
//	go run ./bench/embedded
//
// Alice and Bob are at terminals, which here are functions that get lines of text. A bot is an actor of the program. It
// needs nothing of this module but actors, what that imports, and persistence/embedded; its test builds it in a module of
// its own.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "embedded:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "embedded")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if len(args) > 0 {
		dir = args[0]
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// The library's own logger would print the payloads of letters that find nobody.
	system := actor.NewActorSystem(actor.WithDeadLetterThrottleInterval(time.Millisecond),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	defer system.Shutdown()
	if err := evening(ctx, system, dir, out); err != nil {
		return err
	}
	return morning(ctx, system, dir, out)
}

// evening: Alice writes to the bot, which answers, and to Bob, who is away.
func evening(ctx context.Context, system *actor.ActorSystem, dir string, out io.Writer) error {
	return withBroker(ctx, system, dir, func(broker *actors.Broker) error {
		users, err := login(ctx, broker, "alice's public key", "bob's public key", "the bot's public key")
		if err != nil {
			return err
		}
		alice, bob, bot := users[0], users[1], users[2]
		system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return &shouter{broker: broker, user: bot} }))
		lines := make(chan string, 1)
		terminal, err := open(ctx, broker, alice, func(line string) { lines <- line })
		if err != nil {
			return err
		}
		terminal.send(bot, "good evening")
		fmt.Fprintln(out, "alice is told:", <-lines)
		// Not as Alice's terminal would, so that there is an outcome to wait for.
		err = broker.Submit(ctx, actors.Envelope{From: alice, To: bob, Payload: "are you there?"})
		fmt.Fprintln(out, "bob is away, the message is stored:", err == nil)
		return err
	})
}

// morning: another broker finds in the store what the first has left there.
func morning(ctx context.Context, system *actor.ActorSystem, dir string, out io.Writer) error {
	return withBroker(ctx, system, dir, func(broker *actors.Broker) error {
		lines := make(chan string, 1)
		if _, err := open(ctx, broker, protocol.NewUserID([]byte("bob's public key")), func(line string) { lines <- line }); err != nil {
			return err
		}
		fmt.Fprintln(out, "bob is told:", <-lines)
		return nil
	})
}

// withBroker runs do with a broker on the store in dir, and ends both.
func withBroker(ctx context.Context, system *actor.ActorSystem, dir string, do func(*actors.Broker) error) (err error) {
	store, err := embedded.Open(dir, embedded.Options{
		Quota: persistence.Quota{Messages: 1000, Bytes: 16 << 20}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() {
		if closed := store.Close(); err == nil {
			err = closed
		}
	}()
	broker, err := actors.New(actors.WithStore(store), actors.WithSystem(system, "broker/"))
	if err != nil {
		return err
	}
	defer func() {
		if ended := broker.Shutdown(ctx); err == nil {
			err = ended
		}
	}()
	return do(broker)
}

func login(ctx context.Context, broker *actors.Broker, keys ...string) (ids []protocol.UserID, err error) {
	for _, key := range keys {
		id, err := broker.Login(ctx, []byte(key))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// shouter is a user that is an actor.
type shouter struct {
	broker *actors.Broker
	user   protocol.UserID
}

// Receive implements actor.Actor.
func (s *shouter) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		s.broker.ConnectActor(c.Self(), s.user, actors.ReceiverOptions{})
	case *actors.Message:
		s.broker.SubmitFor(c.Self(), actors.Envelope{From: s.user, To: m.From, Payload: strings.ToUpper(m.Payload)})
		m.Confirm()
	case *actors.ReceiverEnded:
		c.Stop(c.Self())
	}
}
