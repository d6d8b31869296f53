package storetest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		faulty := storetest.NewFaulty(storetest.NewMemory(quota))
		return &storetest.Instance{
			Store: faulty,
			Fill: func(*testing.T) {
				faulty.Set(storetest.Fault{Before: persistence.ErrFull}, storetest.Append, storetest.PutKeys)
			},
			Free: func(*testing.T) { faulty.Heal() },
		}
	})
}

// TestMemory_Reopened runs the suite's reopens over a store that outlives its Close.
func TestMemory_Reopened(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		store := unclosed{storetest.NewMemory(quota)}
		return &storetest.Instance{Store: store, Reopen: func(*testing.T) actors.Store { return store }}
	})
}

type unclosed struct{ *storetest.Memory }

func (unclosed) Close() error { return nil }

// brokenVar names, in the environment of a child process, the broken store it is to run the suite over.
const brokenVar = "STORETEST_BROKEN"

// TestRun_FindsBrokenStores runs the suite over stores with one thing wrong each, in a process of its own, since a
// failed test cannot be undone. Each must fail in the group that is to find it.
func TestRun_FindsBrokenStores(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestBroken$/^"+b.group+"$", "-rapid.nofailfile")
			cmd.Env = append(os.Environ(), brokenVar+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes over a store that is broken: %s", name)
			}
			if want := "--- FAIL: TestBroken/" + b.group; !strings.Contains(string(out), want) {
				t.Fatalf("no %q in the output:\n%s", want, out)
			}
		})
	}
}

// TestBroken is what the child process runs; without the variable there is nothing to run.
func TestBroken(t *testing.T) {
	b, ok := broken[os.Getenv(brokenVar)]
	if !ok {
		return
	}
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		store := b.wrap(unclosed{storetest.NewMemory(quota)}, quota)
		return &storetest.Instance{Store: store, Reopen: func(*testing.T) actors.Store { return store }}
	})
}

// appendFunc is a store with another Append, and so on.
type (
	appendFunc struct {
		actors.Store
		append func(context.Context, []persistence.Pending, []error) error
	}
	readFunc struct {
		actors.Store
		read func(context.Context, []persistence.ReadRequest, []persistence.Page) error
	}
	confirmFunc struct {
		actors.Store
		confirm func(context.Context, []persistence.Confirmed, []error) error
	}
	expireFunc struct {
		actors.Store
		expire func(context.Context, int64, int) (int, error)
	}
	lockFunc struct{ actors.Store }
)

func (s appendFunc) Append(ctx context.Context, p []persistence.Pending, errs []error) error {
	return s.append(ctx, p, errs)
}

func (s readFunc) Read(ctx context.Context, r []persistence.ReadRequest, pages []persistence.Page) error {
	return s.read(ctx, r, pages)
}

func (s confirmFunc) Confirm(ctx context.Context, c []persistence.Confirmed, errs []error) error {
	return s.confirm(ctx, c, errs)
}

func (s expireFunc) Expire(ctx context.Context, now int64, limit int) (int, error) {
	return s.expire(ctx, now, limit)
}

func (lockFunc) Lock(_ context.Context, users []protocol.UserID, errs []error) error {
	clear(errs)
	return nil
}

// changed returns a copy of each envelope, changed by f.
func changed(pending []persistence.Pending, f func(*persistence.Pending)) []persistence.Pending {
	list := append([]persistence.Pending{}, pending...)
	for i := range list {
		f(&list[i])
	}
	return list
}

type brokenStore struct {
	group string // the part of the suite that must fail
	wrap  func(actors.Store, persistence.Quota) actors.Store
}

func brokenAppend(group string, f func(*persistence.Pending)) brokenStore {
	return brokenStore{group, func(s actors.Store, _ persistence.Quota) actors.Store {
		return appendFunc{s, func(ctx context.Context, p []persistence.Pending, errs []error) error {
			return s.Append(ctx, changed(p, f), errs)
		}}
	}}
}

func brokenRead(group string, f func(*persistence.ReadRequest, *persistence.Page)) brokenStore {
	return brokenStore{group, func(s actors.Store, _ persistence.Quota) actors.Store {
		return readFunc{s, func(ctx context.Context, r []persistence.ReadRequest, pages []persistence.Page) error {
			err := s.Read(ctx, r, pages)
			for i := range pages {
				f(&r[i], &pages[i])
			}
			return err
		}}
	}}
}

var broken = map[string]brokenStore{
	"acknowledges before it appends": {"Append", func(s actors.Store, _ persistence.Quota) actors.Store {
		var late []persistence.Pending
		return appendFunc{s, func(ctx context.Context, p []persistence.Pending, errs []error) error {
			_ = s.Append(ctx, late, make([]error, len(late)))
			late = changed(p, func(*persistence.Pending) {})
			clear(errs)
			return nil
		}}
	}},
	"drops the last of a batch": {"Model", func(s actors.Store, _ persistence.Quota) actors.Store {
		return appendFunc{s, func(ctx context.Context, p []persistence.Pending, errs []error) error {
			if len(p) > 7 {
				errs[7], p, errs = nil, p[:7], errs[:7]
			}
			return s.Append(ctx, p, errs)
		}}
	}},
	"forgets ids":               brokenAppend("IDs", func(p *persistence.Pending) { p.ID = "" }),
	"has ids without sender":    brokenAppend("IDs", func(p *persistence.Pending) { p.From = protocol.UserID{} }),
	"has no quota":              brokenAppend("Quota", func(p *persistence.Pending) { p.Accepted = true }),
	"has a quota for all":       brokenAppend("Quota", func(p *persistence.Pending) { p.Accepted = false }),
	"truncates payloads":        brokenAppend("Append", func(p *persistence.Pending) { p.Payload = p.Payload[:min(len(p.Payload), 100<<10)] }),
	"has one ttl for all":       brokenAppend("Expire", func(p *persistence.Pending) { p.Expires = 1 << 52 }),
	"has one ttl for all, read": brokenAppend("Read", func(p *persistence.Pending) { p.Expires = 1 << 52 }),
	"reads backwards": brokenRead("Read", func(_ *persistence.ReadRequest, p *persistence.Page) {
		for i, j := 0, len(p.Pending)-1; i < j; i, j = i+1, j-1 {
			p.Pending[i], p.Pending[j] = p.Pending[j], p.Pending[i]
		}
	}),
	"never says more":  brokenRead("Read", func(_ *persistence.ReadRequest, p *persistence.Page) { p.More = false }),
	"always says more": brokenRead("Read", func(_ *persistence.ReadRequest, p *persistence.Page) { p.More = true }),
	"reads from After on": {"Read", func(s actors.Store, _ persistence.Quota) actors.Store {
		return readFunc{s, func(ctx context.Context, r []persistence.ReadRequest, pages []persistence.Page) error {
			r = append([]persistence.ReadRequest{}, r...)
			for i := range r {
				r[i].After = max(r[i].After, 1) - 1
			}
			return s.Read(ctx, r, pages)
		}}
	}},
	"leaves stale results": {"Confirm", func(s actors.Store, _ persistence.Quota) actors.Store {
		return confirmFunc{s, func(ctx context.Context, c []persistence.Confirmed, errs []error) error {
			return s.Confirm(ctx, c, make([]error, len(errs)))
		}}
	}},
	"confirms one too many": {"Confirm", func(s actors.Store, _ persistence.Quota) actors.Store {
		return confirmFunc{s, func(ctx context.Context, c []persistence.Confirmed, errs []error) error {
			c = append([]persistence.Confirmed{}, c...)
			for i := range c {
				c[i].Seq++
			}
			return s.Confirm(ctx, c, errs)
		}}
	}},
	"ignores the limit": {"Expire", func(s actors.Store, _ persistence.Quota) actors.Store {
		return expireFunc{s, func(ctx context.Context, now int64, _ int) (int, error) { return s.Expire(ctx, now, 1<<30) }}
	}},
	"expires too soon": {"Model", func(s actors.Store, _ persistence.Quota) actors.Store {
		return expireFunc{s, func(ctx context.Context, now int64, limit int) (int, error) { return s.Expire(ctx, now+1, limit) }}
	}},
	"does not lock": {"Keys", func(s actors.Store, _ persistence.Quota) actors.Store { return lockFunc{s} }},
	"forgets the highest": {"Append", func(s actors.Store, quota persistence.Quota) actors.Store {
		return &forgetful{s, quota}
	}},
}

// forgetful loses what it has no mail for: a confirm of the rest takes the highest seq with it.
type forgetful struct {
	actors.Store
	quota persistence.Quota
}

func (f *forgetful) Confirm(ctx context.Context, c []persistence.Confirmed, errs []error) error {
	if err := f.Store.Confirm(ctx, c, errs); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	f.Store = unclosed{storetest.NewMemory(f.quota)}
	return nil
}
