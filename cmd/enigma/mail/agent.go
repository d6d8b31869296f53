package mail

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// retryLookup is the pause between two attempts to look a sender's key up.
const retryLookup = time.Second

// Agent is one user's connection, with end-to-end encryption on top. Its methods are safe for concurrent use, but for
// Receive, which one goroutine calls.
type Agent struct {
	self     *seal.Self
	server   string
	c        *client.Client
	receipts *receipts

	mu    sync.Mutex
	users map[string]*seal.User // guarded by mu: by id
	seen  map[string]*Seen      // guarded by mu: by sender's id
}

// Dial logs the key's user in and connects it: over enigma.v1, with proof that it has the key. Keys other than X25519
// cannot be written to in the hpke1 format and are refused. Errors of the way to the server are [Unreachable]'s.
func Dial(ctx context.Context, server string, key *client.Key, opts ...client.Option) (*Agent, error) {
	self, err := seal.NewSelf(key.Private())
	if err != nil {
		return nil, fmt.Errorf("%w: make one with `enigma keygen`", err)
	}
	c, err := client.DialKey(ctx, server, key.PublicKey(), append(opts, client.WithKey(key))...)
	if err != nil {
		return nil, Unreachable(server, err)
	}
	a := &Agent{self: self, server: server, c: c, users: make(map[string]*seal.User), seen: make(map[string]*Seen)}
	a.users[self.ID()] = self.User
	a.receipts = startReceipts(a)
	return a, nil
}

// Self returns the user.
func (a *Agent) Self() *seal.Self { return a.self }

// Done is closed when the connection is over for good; Err then says why.
func (a *Agent) Done() <-chan struct{} { return a.c.Done() }

// Err returns why the connection is over, nil if it is not.
func (a *Agent) Err() error { return a.c.Err() }

// Close sends the receipts that are due and confirms, and disconnects.
func (a *Agent) Close(ctx context.Context) error {
	a.receipts.stop(ctx)
	return a.c.Close(ctx)
}

// Know takes over a correspondent whose key was checked before, so that it is not looked up.
func (a *Agent) Know(u *seal.User) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users[u.ID()] = u
}

// User returns the user of an id. Its key comes from the server, is checked against the id and remembered. The error is
// client.ErrKeyMismatch if the server returned another key, client.ErrUserNotFound, or seal.ErrKeyKind if it is none that
// can be written to in this format.
func (a *Agent) User(ctx context.Context, id string) (*seal.User, error) {
	a.mu.Lock()
	u := a.users[id]
	a.mu.Unlock()
	if u != nil {
		return u, nil
	}
	key, err := client.PublicKey(ctx, a.server, id)
	if err != nil {
		return nil, err
	}
	if u, err = seal.NewUser(id, key); err != nil {
		return nil, err
	}
	a.Know(u)
	return u, nil
}

// Post seals content for a user and hands it to the connection; the receipt tells when it is safe. A text goes under its
// own id, so that posting it again is harmless.
func (a *Agent) Post(ctx context.Context, to *seal.User, c *seal.Content) (*client.Receipt, error) {
	payload, err := a.self.Seal(to, c)
	if err != nil {
		return nil, err
	}
	if c.Type != seal.TypeText {
		return a.c.Post(ctx, to.ID(), payload)
	}
	return a.c.Post(ctx, to.ID(), payload, client.WithID(c.ID))
}

// Letter is something that came.
type Letter struct {
	From    string        // the sender's id
	Content *seal.Content // nil if it could not be opened
	Err     error         // why it could not
	Seq     uint64        // its place in the user's order, rising for ever
	Payload string        // as it came

	m *client.Message
	a *Agent
}

// Receive returns the next text, receipt or unreadable letter. Texts that came before are confirmed and left out, and so
// is content of types that this program does not know.
func (a *Agent) Receive(ctx context.Context) (*Letter, error) {
	for {
		m, err := a.c.Receive(ctx)
		if err != nil {
			return nil, err
		}
		l := &Letter{From: m.From, Seq: m.Seq, Payload: m.Payload, m: m, a: a}
		from, err := a.sender(ctx, m.From)
		if ctx.Err() != nil || a.c.Err() != nil {
			return nil, errors.Join(ctx.Err(), a.c.Err()) // unconfirmed: it comes again
		}
		if err == nil {
			l.Content, err = a.self.Open(from, m.Payload)
		}
		l.Err = err
		switch {
		case err != nil:
			return l, nil
		case l.Content.Type == seal.TypeReceipt:
			return l, nil
		case l.Content.Type == seal.TypeText && a.seenBy(m.From).Add(l.Content.ID):
			return l, nil
		case l.Content.Type == seal.TypeText:
			a.receipts.add(from, l.Content.ID) // the first one may have been lost
		}
		m.Confirm()
	}
}

// sender is User that does not give up for want of a connection: what came waits for it.
func (a *Agent) sender(ctx context.Context, id string) (*seal.User, error) {
	for {
		u, err := a.User(ctx, id)
		if err == nil || isFinal(err) {
			return u, err
		}
		select {
		case <-time.After(retryLookup):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-a.c.Done():
			return nil, a.c.Err()
		}
	}
}

// isFinal tells whether looking a key up again would bring the same.
func isFinal(err error) bool {
	return errors.Is(err, client.ErrKeyMismatch) || errors.Is(err, client.ErrUserNotFound) ||
		errors.Is(err, seal.ErrKeyKind) || errors.Is(err, seal.ErrKeyMismatch) || errors.Is(err, client.ErrProtocol)
}

// seenBy returns the texts seen of a sender.
func (a *Agent) seenBy(id string) *Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen[id] == nil {
		a.seen[id] = new(Seen)
	}
	return a.seen[id]
}

// Remember takes over what an earlier process has seen of a sender. Call it before Receive.
func (a *Agent) Remember(from string, ids []string) {
	s := a.seenBy(from)
	for _, id := range ids {
		s.Add(id)
	}
}

// Confirm says that the letter has been dealt with: the server may forget it, and its sender gets a receipt if it was
// a text. A letter that no Agent received has nobody to tell.
func (l *Letter) Confirm() {
	if l.m == nil {
		return
	}
	l.m.Confirm()
	if l.Content == nil || l.Content.Type != seal.TypeText {
		return
	}
	l.a.mu.Lock()
	from := l.a.users[l.From]
	l.a.mu.Unlock()
	l.a.receipts.add(from, l.Content.ID)
}
