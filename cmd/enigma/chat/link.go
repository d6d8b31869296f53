package chat

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

const (
	// redialAfter is the pause before the next attempt when there was no first connection yet.
	redialAfter = 2 * time.Second
	dialWithin  = 15 * time.Second
	closeWithin = 5 * time.Second
	retryAfter  = time.Second
)

// What the link tells the model.
type (
	upMsg     struct{ on *online } // connected, with a new Agent
	downMsg   struct{ err error }  // no Agent any more, or still none
	stateMsg  bool                 // the Agent's connection was lost, or is back
	letterMsg struct{ l *mail.Letter }
	doneMsg   struct { // the outcome of a post
		to, id string
		err    error // nil: safe
	}
)

// online is what the model has of the link while there is an Agent.
type online struct {
	a     *mail.Agent
	posts chan post // read by the link until the Agent ends
	ended chan struct{}
}

// post is a text that is to go out.
type post struct {
	to      *seal.User
	content *seal.Content
}

// link keeps one user connected. Its goroutine is run.
type link struct {
	cfg   Config
	users []*seal.User        // contacts whose keys need no looking up
	seen  map[string][]string // texts seen of them, before
	tell  func(tea.Msg)       // the model; does not block for long
	again chan struct{}       // cap 1: connect anew, although another program took over
	done  chan struct{}       // closed when run has ended
}

// run connects, again and again, until ctx ends.
func (k *link) run(ctx context.Context) {
	defer close(k.done)
	for ctx.Err() == nil {
		err := k.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		k.tell(downMsg{err})
		wait := time.After(redialAfter)
		if errors.Is(err, client.ErrReplaced) {
			wait = nil // taking turns with the other program would help nobody
		}
		select {
		case <-wait:
		case <-k.again:
		case <-ctx.Done():
		}
	}
}

// serve holds one Agent from its connecting to its end.
func (k *link) serve(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	a, err := mail.Dial(dialing, k.cfg.Server, k.cfg.Key, client.WithStateFunc(func(connected bool) { k.tell(stateMsg(connected)) }))
	if err != nil {
		return err
	}
	for _, u := range k.users {
		a.Know(u)
	}
	for from, ids := range k.seen {
		a.Remember(from, ids)
	}
	on := &online{a: a, posts: make(chan post, 256), ended: make(chan struct{})}
	posting := make(chan struct{})
	go func() {
		defer close(posting)
		k.post(ctx, on)
	}()
	k.tell(upMsg{on})
	for {
		l, err := a.Receive(ctx)
		if err != nil {
			goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
			defer cancel()
			close(on.ended)
			_ = a.Close(goodbye) // what was shown is confirmed as far as it goes
			<-posting
			return err
		}
		k.tell(letterMsg{l})
	}
}

// post hands texts over in order, and waits for each outcome beside.
func (k *link) post(ctx context.Context, on *online) {
	for {
		select {
		case p := <-on.posts:
			receipt, err := on.a.Post(ctx, p.to, p.content)
			if err != nil {
				k.tell(doneMsg{p.to.ID(), p.content.ID, err})
				continue
			}
			go k.await(ctx, on, p, receipt)
		case <-on.ended:
			return
		}
	}
}

// await tells the outcome of one text. What the server may take later is posted again.
func (k *link) await(ctx context.Context, on *online, p post, receipt *client.Receipt) {
	for {
		<-receipt.Done() // at the latest with the Agent's end
		err := receipt.Err()
		if !errors.Is(err, client.ErrRateLimited) && !errors.Is(err, client.ErrStoreUnavailable) {
			k.tell(doneMsg{p.to.ID(), p.content.ID, err})
			return
		}
		select {
		case <-time.After(retryAfter):
		case <-on.ended:
		}
		if receipt, err = on.a.Post(ctx, p.to, p.content); err != nil {
			k.tell(doneMsg{p.to.ID(), p.content.ID, err})
			return
		}
	}
}
