package embedded_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		dir := t.TempDir()
		var free atomic.Int64
		free.Store(math.MaxInt64)
		opts := embedded.Options{Quota: quota}.WithFree(func() (int64, error) { return free.Load(), nil })
		return &storetest.Instance{
			Store:  open(t, dir, opts),
			Reopen: func(t *testing.T) actors.Store { return open(t, dir, opts) },
			Fill:   func(*testing.T) { free.Store(128<<20 - 1) },
			Free:   func(*testing.T) { free.Store(128 << 20) },
		}
	})
}

// TestStore_FromTables runs the suite with next to nothing in memory: before calls the caches are emptied, and what was
// written goes to tables, which now and then are merged.
func TestStore_FromTables(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		dir := t.TempDir()
		open := func(t *testing.T) actors.Store {
			return &restless{Store: open(t, dir, embedded.Options{Quota: quota}), t: t}
		}
		return &storetest.Instance{Store: open(t), Reopen: open}
	})
}

// restless disturbs a store before calls that change or read mail.
type restless struct {
	*embedded.Store
	t *testing.T
}

func (r *restless) disturb() {
	switch n := rand.IntN(20); {
	case n < 10:
		r.Forget()
	case n < 12:
		if err := r.Rest(r.t.Context()); err != nil {
			r.t.Errorf("rest: %v", err)
		}
	case n < 14:
		if err := r.Flush(n == 13); err != nil {
			r.t.Errorf("flush: %v", err)
		}
		r.Forget()
	}
}

func (r *restless) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	r.disturb()
	return r.Store.Append(ctx, pending, errs)
}

func (r *restless) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	r.disturb()
	return r.Store.Read(ctx, requests, pages)
}

func (r *restless) Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error {
	r.disturb()
	return r.Store.Confirm(ctx, confirmed, errs)
}

func (r *restless) Expire(ctx context.Context, now int64, limit int) (int, error) {
	r.disturb()
	return r.Store.Expire(ctx, now, limit)
}
