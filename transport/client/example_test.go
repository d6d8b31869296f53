package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// exampleServer starts a server in this process. A program has its address instead.
func exampleServer() (url string, stop func()) {
	n := &node{store: storetest.NewMemory(quota), addr: "127.0.0.1:0"}
	if err := n.start(); err != nil {
		log.Fatal(err)
	}
	return n.url(), func() {
		if err := n.stop(); err != nil {
			log.Fatal(err)
		}
	}
}

// Two users write to each other. What is sent to a user that is not connected waits for it.
func Example() {
	url, stop := exampleServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	// Bob's key is known to the server; Bob is elsewhere.
	bob, err := client.Login(ctx, url, "bob's public key")
	if err != nil {
		log.Fatal(err)
	}

	alice, err := client.DialKey(ctx, url, "alice's public key")
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close(ctx)
	if err := alice.Send(ctx, bob, "hello, encrypted"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent: the server has stored it")

	b, err := client.Dial(ctx, url, bob)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close(ctx)
	m, err := b.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("from Alice:", m.From == alice.ID(), "payload:", m.Payload)
	m.Confirm()
	// Output:
	// sent: the server has stored it
	// from Alice: true payload: hello, encrypted
}

// The key that a server returns for an id can be trusted as far as the id can: it is checked against it.
func ExamplePublicKey() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()

	id, err := client.Login(ctx, url, "alice")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id)
	key, err := client.PublicKey(ctx, url, id)
	fmt.Println(key, err)
	_, err = client.PublicKey(ctx, url, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	fmt.Println(errors.Is(err, client.ErrUserNotFound))
	// Output:
	// fpmansl7byak6gq7ymzi7j3dvetjoi6i
	// alice <nil>
	// true
}

// What a server refuses is an *Error with a code. Here the recipient does not exist.
func ExampleClient_Send() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	c, err := client.DialKey(ctx, url, "alice")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	err = c.Send(ctx, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "hello")
	var refused *client.Error
	switch {
	case err == nil:
		fmt.Println("safe")
	case errors.Is(err, client.ErrRateLimited), errors.Is(err, client.ErrStoreUnavailable):
		fmt.Println("try again later")
	case errors.Is(err, client.ErrUnknownOutcome):
		fmt.Println("send it again with the same id")
	case errors.As(err, &refused):
		fmt.Println("refused:", refused.Code)
	}
	// Output:
	// refused: USER_NOT_FOUND
}

// Post hands over many messages in order without waiting for each.
func ExampleClient_Post() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	bob, err := client.Login(ctx, url, "bob")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.DialKey(ctx, url, "alice")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	var receipts []*client.Receipt
	for i := range 100 {
		r, err := c.Post(ctx, bob, fmt.Sprint("message ", i))
		if err != nil {
			log.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	safe := 0
	for _, r := range receipts {
		if r.Wait(ctx) == nil {
			safe++
		}
	}
	fmt.Println(safe, "safe")
	// Output:
	// 100 safe
}

// A program that fetches what is there and ends.
func ExampleClient_Drained() {
	url, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	bob, err := client.Login(ctx, url, "bob")
	if err != nil {
		log.Fatal(err)
	}
	alice, err := client.DialKey(ctx, url, "alice")
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close(ctx)
	for i := range 3 {
		if err := alice.Send(ctx, bob, fmt.Sprint("message ", i)); err != nil {
			log.Fatal(err)
		}
	}

	c, err := client.Dial(ctx, url, bob, client.RequireV1())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)
	fetching, drained := context.WithCancel(ctx)
	go func() {
		defer drained()
		select {
		case <-c.Drained():
		case <-c.Done():
		}
	}()
	for {
		m, err := c.Receive(fetching)
		if err != nil {
			break
		}
		fmt.Println(m.Payload)
		m.Confirm()
	}
	fmt.Println("nothing left")
	// Output:
	// message 0
	// message 1
	// message 2
	// nothing left
}

// Options of a program that runs for long.
func ExampleDial() {
	url, stop := exampleServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id, err := client.Login(ctx, url, "alice")
	if err != nil {
		log.Fatal(err)
	}

	lastSeq := uint64(0) // from where the program persists it
	c, err := client.Dial(ctx, url, id,
		client.RequireV1(),
		client.WithLastSeq(lastSeq),
		client.WithBackoff(time.Second, time.Minute),
		client.WithHeartbeat(20*time.Second, 10*time.Second),
		client.WithLogger(slog.Default()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)
	go func() {
		for {
			select {
			case e := <-c.Errors():
				slog.Warn("from the server", "error", e)
			case <-c.Done():
				return
			}
		}
	}()
	fmt.Println(c.V1(), c.ID() == id)
	// Output:
	// true true
}
