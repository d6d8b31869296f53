package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

func alice() protocol.UserID { return protocol.NewUserID([]byte("alice")) }

func mail(seq uint64) []persistence.Pending {
	return []persistence.Pending{{To: alice(), Seq: seq, Expires: farFuture, Payload: fmt.Append(nil, seq)}}
}

// appendMail appends one envelope and returns what came of it.
func appendMail(ctx context.Context, s *embedded.Store, seq uint64) error {
	errs := make([]error, 1)
	return errors.Join(s.Append(ctx, mail(seq), errs), errs[0])
}

// hook is a file system whose operations a test can watch, hold up and fail.
type hook struct {
	at atomic.Pointer[func(errorfs.Op) error]
}

func (h *hook) set(f func(errorfs.Op) error) { h.at.Store(&f) }

func (h *hook) fs() vfs.FS {
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f := h.at.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}))
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// TestStore_DeadlineLeavesTheOutcomeUnknown holds up the sync of an append beyond its deadline.
func TestStore_DeadlineLeavesTheOutcomeUnknown(t *testing.T) {
	var h hook
	s := open(t, t.TempDir(), embedded.Options{}.WithFS(h.fs()))
	defer s.Close()
	if err := appendMail(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	release, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h.set(func(op errorfs.Op) error {
		if isSync(op) && strings.HasSuffix(op.Path, ".log") {
			once.Do(func() { close(held) })
			<-release
		}
		return nil
	})
	short, cancel := context.WithCancel(t.Context())
	go func() { <-held; cancel() }()
	if err := appendMail(short, s, 2); !errors.Is(err, persistence.ErrUnknownOutcome) {
		t.Fatalf("append whose sync does not end: %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, persistence.ErrUnavailable) {
		t.Fatalf("ping while a write is overdue: %v", err)
	}
	for name, call := range map[string]func(context.Context) error{
		"append":  func(ctx context.Context) error { return appendMail(ctx, s, 2) },
		"expire":  func(ctx context.Context) error { _, err := s.Expire(ctx, farFuture, 1); return err },
		"ceiling": func(ctx context.Context) error { _, err := s.Ceiling(ctx, 1); return err },
		"confirm": func(ctx context.Context) error {
			return s.Confirm(ctx, []persistence.Confirmed{{User: alice(), Seq: 1}}, make([]error, 1))
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := call(ctx); !errors.Is(err, persistence.ErrUnavailable) {
			t.Errorf("%s while a write is overdue: %v", name, err)
		}
		cancel()
	}
	close(release)
	if err := appendMail(t.Context(), s, 2); err != nil {
		t.Fatalf("the same append, once the disk answers: %v", err)
	}
	if pending, err := readAll(s, alice()); err != nil || len(pending) != 2 {
		t.Fatalf("%d pending, want 2: %v", len(pending), err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestStore_IsDurableOnReturn counts the syncs of the log that calls wait for.
func TestStore_IsDurableOnReturn(t *testing.T) {
	var h hook
	s := open(t, t.TempDir(), embedded.Options{}.WithFS(h.fs()))
	defer s.Close()
	var syncs atomic.Int64
	h.set(func(op errorfs.Op) error {
		if isSync(op) && strings.HasSuffix(op.Path, ".log") {
			syncs.Add(1)
		}
		return nil
	})
	ctx, errs := t.Context(), make([]error, 1)
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"PutKeys", func() error { return s.PutKeys(ctx, []persistence.KeyRecord{{User: alice(), Key: []byte("a")}}, errs) }},
		{"Lock", func() error { return s.Lock(ctx, []protocol.UserID{alice()}, errs) }},
		{"Append", func() error { return s.Append(ctx, mail(1), errs) }},
		{"Ceiling", func() error { _, err := s.Ceiling(ctx, 1); return err }},
	} {
		before := syncs.Load()
		if err := errors.Join(c.call(), errs[0]); err != nil {
			t.Fatal(err)
		}
		if syncs.Load() == before {
			t.Errorf("%s did not sync", c.name)
		}
	}
}

// TestStore_RefusesTwoCallsForOneUser holds an append for alice under way and makes another for her.
func TestStore_RefusesTwoCallsForOneUser(t *testing.T) {
	var h hook
	s := open(t, t.TempDir(), embedded.Options{}.WithFS(h.fs()))
	defer s.Close()
	release, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h.set(func(op errorfs.Op) error {
		if isSync(op) && strings.HasSuffix(op.Path, ".log") {
			once.Do(func() { close(held) })
			<-release
		}
		return nil
	})
	first := make(chan error)
	go func() { first <- appendMail(t.Context(), s, 1) }()
	<-held
	if err := appendMail(t.Context(), s, 2); !errors.Is(err, persistence.ErrUnavailable) {
		t.Errorf("another call for the same user: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := appendMail(t.Context(), s, 2); err != nil {
		t.Fatal(err)
	}
}

// TestStore_CompactionsDoNotSpinWithoutSpace lets compactions find too little space and counts how often they try.
func TestStore_CompactionsDoNotSpinWithoutSpace(t *testing.T) {
	var h hook
	var free atomic.Int64
	free.Store(1 << 40)
	s := open(t, t.TempDir(), embedded.Options{}.WithFS(h.fs()).WithFree(func() (int64, error) { return free.Load(), nil }))
	defer s.Close()
	const tables = 20
	for seq := range uint64(tables) {
		if err := appendMail(t.Context(), s, seq+1); err != nil {
			t.Fatal(err)
		}
	}
	free.Store(30 << 20) // enough for deletes and flushes, too little for compactions
	var created atomic.Int64
	h.set(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			created.Add(1)
		}
		return nil
	})
	for seq := range uint64(tables) {
		errs := make([]error, 1)
		if err := s.Confirm(t.Context(), []persistence.Confirmed{{User: alice(), Seq: seq + 1}}, errs); err != nil || errs[0] != nil {
			t.Fatal(err, errs[0])
		}
		if err := s.Flush(false); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	time.Sleep(2500 * time.Millisecond) // what is counted happens in time
	allowed := int64(tables) + 2*(int64(time.Since(begin).Seconds())+2+tables)
	if n := created.Load(); n > allowed {
		t.Fatalf("%d tables begun for %d flushes", n, tables)
	}
	if s.RefusedCompactions() == 0 {
		t.Fatal("no compaction was kept from taking the last space")
	}
	free.Store(1 << 40)
	if err := s.Flush(true); err != nil {
		t.Fatal(err)
	}
}
