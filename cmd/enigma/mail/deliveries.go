package mail

import (
	"context"
	"errors"
	"sync"

	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// errNoReceipt: the wait for a receipt ended before one came.
var errNoReceipt = errors.New("no receipt came")

// deliveries looks for receipts among what comes. Texts it neither confirms nor acknowledges: they come again to whoever
// connects next. One goroutine reads, until the Agent ends.
type deliveries struct {
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting map[delivery]chan struct{} // guarded by mu; closed once the receipt is there
}

// delivery is a text by its recipient and its id.
type delivery struct{ to, id string }

func watch(a *Agent) *deliveries {
	d := &deliveries{done: make(chan struct{}), waiting: make(map[delivery]chan struct{})}
	go func() {
		defer close(d.done)
		for {
			l, err := a.Receive(context.Background())
			if err != nil {
				return // the Agent has ended
			}
			if l.Content != nil && l.Content.Type == seal.TypeReceipt {
				l.Confirm() // first: who has waited may end the Agent at once
				d.take(l.From, l.Content.IDs)
			}
		}
	}()
	return d
}

// expect announces that somebody will wait.
func (d *deliveries) expect(to, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[delivery{to, id}] == nil {
		d.waiting[delivery{to, id}] = make(chan struct{})
	}
}

func (d *deliveries) take(from string, ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		if ch := d.waiting[delivery{from, id}]; ch != nil {
			select {
			case <-ch:
			default:
				close(ch)
			}
		}
	}
}

// wait waits for the receipt for a text that was announced.
func (d *deliveries) wait(ctx context.Context, to, id string) error {
	key := delivery{to, id}
	d.mu.Lock()
	ch := d.waiting[key]
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, key)
	}()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	case <-d.done:
	}
	return errNoReceipt
}
