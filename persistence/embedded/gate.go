package embedded

import (
	"context"
	"errors"
	"sync"
)

// gate says which calls may change something now. Three rules:
//
//   - Calls that name users run beside one another: no two of them name the same user, as actors.Store demands.
//   - Expire names no user and may meet any: it runs alone.
//   - While a commit is under way whose caller has given up, for the disk did not answer in time, nothing new begins. So
//     the caller's next call finds what became of the last one, and calls in vain do not heap up.
type gate struct {
	failed <-chan struct{} // fixed; closed once nothing can begin any more

	mu      sync.Mutex // guards all
	running int        // calls inside, with those that were given up
	overdue int        // those that were given up and are still running
	alone   bool       // Expire is inside, or waits for the others to leave
	changed chan struct{}
}

// enter waits until a call that names users may begin. It ends with leave or, given up, with settle.
func (g *gate) enter(ctx context.Context) error {
	return g.wait(ctx, func() bool {
		if g.alone || g.overdue > 0 {
			return false
		}
		g.running++
		return true
	})
}

// enterAlone waits until nobody else is inside and keeps others out.
func (g *gate) enterAlone(ctx context.Context) error {
	err := g.wait(ctx, func() bool {
		if g.alone || g.overdue > 0 {
			return false
		}
		g.alone = true
		return true
	})
	if err != nil {
		return err
	}
	err = g.wait(ctx, func() bool {
		if g.running > 0 {
			return false
		}
		g.running++
		return true
	})
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.alone = false
		g.notify()
	}
	return err
}

// leave ends a call that has entered, alone or not.
func (g *gate) leave(alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if alone {
		g.alone = false
	}
	g.notify()
}

// giveUp says that the caller of a running call does not wait for it any longer.
func (g *gate) giveUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.overdue++
}

// settle ends a call whose caller has given up, or is about to.
func (g *gate) settle(alone bool) {
	g.mu.Lock()
	g.overdue--
	g.mu.Unlock()
	g.leave(alone)
}

// stalled says whether a commit is under way whose caller has given up.
func (g *gate) stalled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.overdue > 0
}

// empty waits until nobody is inside.
func (g *gate) empty(ctx context.Context) error {
	return g.wait(ctx, func() bool { return g.running == 0 })
}

var errGateShut = errors.New("store failed")

// wait calls ok with the lock held, now and after each change, until it returns true or ctx ends.
func (g *gate) wait(ctx context.Context, ok func() bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		g.mu.Lock()
		if ok() {
			g.mu.Unlock()
			return nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-g.failed:
			return errGateShut
		}
	}
}

// notify wakes those who wait; the lock is held.
func (g *gate) notify() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}
