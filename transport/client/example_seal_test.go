package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// Alice writes to Bob so that nobody else can read it, and Bob acknowledges. The web page and the terminal commands of
// `enigma` read and write the same format.
func Example_encrypted() {
	url, stop := exampleServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	// Each has a key, from a file in real life: client.LoadOrGenerateKey. It proves to the server who one is, too.
	connect := func() (*seal.Self, *client.Client) {
		key, err := client.GenerateKey()
		if err != nil {
			log.Fatal(err)
		}
		self, err := seal.NewSelf(key.Private())
		if err != nil {
			log.Fatal(err)
		}
		c, err := client.DialKey(ctx, url, key.PublicKey(), client.WithKey(key))
		if err != nil {
			log.Fatal(err)
		}
		return self, c
	}
	aliceSelf, alice := connect()
	defer alice.Close(ctx)
	bobSelf, bob := connect()
	defer bob.Close(ctx)

	// lookUp gets a key from the server, and checks that it belongs to the id.
	lookUp := func(id string) *seal.User {
		publicKey, err := client.PublicKey(ctx, url, id)
		if err != nil {
			log.Fatal(err)
		}
		user, err := seal.NewUser(id, publicKey)
		if err != nil {
			log.Fatal(err)
		}
		return user
	}

	text := seal.NewText("hello, for your eyes only")
	payload, err := aliceSelf.Seal(lookUp(bob.ID()), text)
	if err != nil {
		log.Fatal(err)
	}
	// The text's own id makes sending it again harmless.
	if err := alice.Send(ctx, bob.ID(), payload, client.WithID(text.ID)); err != nil {
		log.Fatal(err)
	}

	m, err := bob.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	from := lookUp(m.From)
	got, err := bobSelf.Open(from, m.Payload)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Bob reads:", got.Text)
	m.Confirm()
	receipt, err := bobSelf.Seal(from, seal.NewReceipt(got.ID))
	if err != nil {
		log.Fatal(err)
	}
	if err := bob.Send(ctx, m.From, receipt); err != nil {
		log.Fatal(err)
	}

	m, err = alice.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if got, err = aliceSelf.Open(lookUp(m.From), m.Payload); err != nil {
		log.Fatal(err)
	}
	m.Confirm()
	fmt.Println("Alice's text was delivered:", got.Type == seal.TypeReceipt && got.IDs[0] == text.ID)
	// Output:
	// Bob reads: hello, for your eyes only
	// Alice's text was delivered: true
}
