package mail

import (
	"context"
	"sync"

	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// receipts sends receipts for texts. Its goroutine lives from startReceipts to stop; ids that come while one receipt is on
// its way leave together with the next.
type receipts struct {
	a      *Agent
	ctx    context.Context // of sending; cancel ends it
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	wake   chan struct{} // cap 1: due or closing has changed

	mu      sync.Mutex
	due     map[*seal.User][]string // guarded by mu
	closing bool                    // guarded by mu: end once nothing is due
}

func startReceipts(a *Agent) *receipts {
	r := &receipts{a: a, done: make(chan struct{}), wake: make(chan struct{}, 1), due: make(map[*seal.User][]string)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	go r.run()
	return r
}

// add has a receipt sent for a text of to.
func (r *receipts) add(to *seal.User, id string) {
	r.mu.Lock()
	r.due[to] = append(r.due[to], id)
	r.mu.Unlock()
	r.poke()
}

func (r *receipts) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// stop waits until what is due is safe, or ctx ends.
func (r *receipts) stop(ctx context.Context) {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.poke()
	select {
	case <-r.done:
	case <-ctx.Done():
		r.cancel()
		<-r.done
	}
	r.cancel()
}

func (r *receipts) run() {
	defer close(r.done)
	for {
		to, ids, closing := r.take()
		switch {
		case to != nil:
			// A receipt that is refused, by a full mailbox say, is lost: its sender does without the mark.
			if receipt, err := r.a.Post(r.ctx, to, seal.NewReceipt(ids...)); err == nil {
				_ = receipt.Wait(r.ctx)
			}
		case closing:
			return
		default:
			select {
			case <-r.wake:
			case <-r.ctx.Done():
				return
			}
		}
		if r.ctx.Err() != nil || r.a.c.Err() != nil {
			return
		}
	}
}

// take returns the ids for one receipt, and nil if none is due.
func (r *receipts) take() (to *seal.User, ids []string, closing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for u, all := range r.due {
		n := min(len(all), seal.MaxReceipts)
		if r.due[u] = all[n:]; n == len(all) {
			delete(r.due, u)
		}
		return u, all[:n], false
	}
	return nil, nil, r.closing
}
