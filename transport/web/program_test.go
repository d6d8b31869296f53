package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// program is a user with the Go client instead of a page.
type program struct {
	t   *testing.T
	ctx context.Context
	c   *client.Client
	me  *seal.Self
}

func newProgram(t *testing.T, s *enigmatest.Server) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel) // after the client is closed
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	me, err := seal.NewSelf(key.Private())
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.DialKey(ctx, s.URL(""), key.PublicKey(), client.WithKey(key))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(ctx); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	})
	return &program{t, ctx, c, me}
}

// send seals content for a user of the page and sends it.
func (p *program) send(to *seal.User, content *seal.Content) {
	p.t.Helper()
	payload, err := p.me.Seal(to, content)
	if err == nil {
		err = p.c.Send(p.ctx, to.ID(), payload)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// receive opens what comes next from a user.
func (p *program) receive(from *seal.User) *seal.Content {
	p.t.Helper()
	m, err := p.c.Receive(p.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	content, err := p.me.Open(from, m.Payload)
	if err != nil || m.From != from.ID() {
		p.t.Fatalf("a message from %s: %v", m.From, err)
	}
	m.Confirm()
	return content
}

func TestProgram_AndPageTalkBothWays(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice := joined(t, s.URL("/"), "Alice", desktop)
	bot := newProgram(t, s)
	page, err := seal.NewUser(alice.id(), s.Key(alice.id()))
	if err != nil {
		t.Fatal(err)
	}

	// Twice the same: the page shows it once, and says once that it has.
	hello := seal.NewText("Hello from a program")
	bot.send(page, hello)
	bot.send(page, hello)
	alice.choose("Hello from a program")
	if receipt := bot.receive(page); receipt.Type != seal.TypeReceipt || len(receipt.IDs) != 1 || receipt.IDs[0] != hello.ID {
		t.Errorf("the page answers with %+v", receipt)
	}
	alice.clickText("Add")
	long := strings.Repeat("längst ", seal.MaxText/8)
	alice.fill("#text", long)
	alice.click("#send-button")
	text := bot.receive(page)
	if text.Type != seal.TypeText || text.Text != strings.TrimSpace(long) {
		t.Errorf("the page sends %s of %d bytes", text.Type, len(text.Text))
	}
	alice.marked("längst", "stored")
	bot.send(page, seal.NewReceipt(text.ID))
	alice.marked("längst", "delivered")
	alice.until("document.querySelectorAll('.message.in').length === 1")

	// The two see the same number.
	alice.click("#contact-button")
	alice.sees("#safety-number", strings.Join(seal.SafetyNumber(page, bot.me.User), ""))

	// What is too long is not sent.
	alice.press(escape)
	alice.fill("#text", strings.Repeat("x", seal.MaxText+7))
	alice.sees("#room", "7 too many")
	alice.until("document.querySelector('#send-button').disabled")
}
