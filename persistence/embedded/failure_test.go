package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

// append appends one envelope and returns what came of it.
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

// fileVar says what the files are called whose change is to fail, and how.
const fileVar = "EMBEDDED_TEST_FILE"

// TestStore_DiskErrorsEndIt fails one operation on a file and lets all others succeed, as Linux does. A store that has
// failed keeps its goroutines, hence it does so in a process of its own.
func TestStore_DiskErrorsEndIt(t *testing.T) {
	for _, what := range []string{"sync .log", "sync .sst", "sync MANIFEST", "write .log", "write MANIFEST", "create .log", "rotate .log", "nothing"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVar+"=diskerror", dirVar+"="+dir, fileVar+"="+what)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			s := open(t, dir, embedded.Options{})
			defer s.Close()
			pending, err := readAll(s, alice())
			if err != nil || inOrder(t, pending) == 0 {
				t.Fatalf("after the failure and a new start: %v, %v", pending, err)
			}
		})
	}
}

// meetDiskError is the child.
func meetDiskError() error {
	how, file, _ := strings.Cut(os.Getenv(fileVar), " ")
	var h hook
	failed := make(chan error, 2)
	opts := embedded.Options{Failed: func(err error) { failed <- err }}
	s, err := embedded.Open(os.Getenv(dirVar), opts.WithFS(h.fs()))
	if err != nil {
		return err
	}
	if err := appendMail(context.Background(), s, 1); err != nil {
		return err
	}
	var eio atomic.Bool
	var after atomic.Value // what was changed on the disk after the failure
	h.set(func(op errorfs.Op) error {
		switch {
		case eio.Load():
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
				after.Store(fmt.Sprintf("%v %s", op.Kind, op.Path))
			}
		case !strings.Contains(filepath.Base(op.Path), file):
		case (how == "sync" || how == "rotate") && isSync(op), how == "write" && op.Kind == errorfs.OpFileWrite,
			how == "create" && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite):
			eio.Store(true)
			return syscall.EIO
		}
		return nil
	})
	switch {
	case how == "nothing": // the store has failed otherwise, and the engine has something to write
		eio.Store(true)
		s.Fail(syscall.EIO)
		go func() { _ = s.StartFlush() }()
		time.Sleep(100 * time.Millisecond) // what must not happen has no end to wait for
	case file == ".log" && (how == "sync" || how == "write"):
		if err := appendMail(context.Background(), s, 2); !errors.Is(err, persistence.ErrUnknownOutcome) {
			return fmt.Errorf("append under way: %w", err)
		}
	default:
		go func() { _ = s.StartFlush() }() // this goroutine may be the engine's that is held
	}
	if err := <-failed; !errors.Is(err, syscall.EIO) {
		return fmt.Errorf("Failed was called with %w", err)
	}
	if err := refusesAll(s); err != nil {
		return err
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		return fmt.Errorf("close: %w", err)
	}
	if op := after.Load(); op != nil || len(failed) > 0 {
		return fmt.Errorf("after the failure: %v, and Failed called %d times more", op, len(failed))
	}
	return nil
}

// refusesAll expects that every call is refused.
func refusesAll(s *embedded.Store) error {
	ctx, errs := context.Background(), make([]error, 1)
	_, expire := s.Expire(ctx, farFuture, 1)
	_, ceiling := s.Ceiling(ctx, 1)
	for name, err := range map[string]error{
		"Append":  s.Append(ctx, mail(3), errs),
		"Confirm": s.Confirm(ctx, []persistence.Confirmed{{User: alice(), Seq: 1}}, errs),
		"Read":    s.Read(ctx, []persistence.ReadRequest{{User: alice(), Count: 1, Bytes: 1}}, make([]persistence.Page, 1)),
		"Keys":    s.Keys(ctx, []protocol.UserID{alice()}, make([]persistence.KeyRecord, 1), errs),
		"PutKeys": s.PutKeys(ctx, []persistence.KeyRecord{{User: alice(), Key: []byte("a")}}, errs),
		"Lock":    s.Lock(ctx, []protocol.UserID{alice()}, errs),
		"Expire":  expire, "Ceiling": ceiling, "Ping": s.Ping(ctx),
	} {
		if !errors.Is(err, persistence.ErrUnavailable) {
			return fmt.Errorf("%s after the failure: %w", name, err)
		}
	}
	return nil
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
	free.Store(1 << 40)
	if err := s.Flush(true); err != nil {
		t.Fatal(err)
	}
}
