package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

// TestOpen_ReturnsDiskErrors fails each sync in turn that Open makes, in a new directory and in one to be recovered. What
// Open cannot do it says; it neither hangs nor panics, and the next Open finds everything. It leaves goroutines, hence it
// happens in a process of its own.
func TestOpen_ReturnsDiskErrors(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=openerror", dirVar+"="+crashed(t, 10, false))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// meetErrorsInOpen is the child.
func meetErrorsInOpen() error {
	recovering := os.Getenv(dirVar)
	for _, from := range []string{filepath.Join(recovering, "new"), recovering} {
		for n := int64(1); ; n++ {
			dir := filepath.Join(recovering, fmt.Sprint("case", n), filepath.Base(from))
			if from == recovering {
				if err := errors.Join(os.MkdirAll(dir, 0o700), copyFiles(from, dir)); err != nil {
					return err
				}
			}
			met, err := openWithError(dir, n)
			if err != nil {
				return fmt.Errorf("sync %d: %w", n, err)
			}
			if !met {
				break
			}
		}
	}
	return nil
}

// openWithError opens a directory, whose n-th sync fails, and what is left of it again. It says whether there was an
// n-th sync.
func openWithError(dir string, n int64) (met bool, err error) {
	var h hook
	var syncs atomic.Int64
	h.set(func(op errorfs.Op) error {
		if isSync(op) && syncs.Add(1) == n {
			return syscall.EIO
		}
		return nil
	})
	reported := make(chan error, 1)
	opts := embedded.Options{Failed: func(err error) { reported <- err }}
	s, err := embedded.Open(dir, opts.WithFS(h.fs()))
	if err == nil {
		h.set(func(errorfs.Op) error { return nil })
		return false, s.Close()
	}
	if !errors.Is(err, syscall.EIO) {
		return true, err
	}
	left := dir + "-left" // the directory stays locked
	if err := errors.Join(os.MkdirAll(left, 0o700), copyFiles(dir, left)); err != nil {
		return true, err
	}
	s, err = embedded.Open(left, embedded.Options{})
	if err != nil {
		return true, err
	}
	if len(reported) > 0 {
		return true, errors.New("Failed was called for what Open returned")
	}
	pending, err := readAll(s, alice())
	if filepath.Base(dir) != "new" && len(pending) != 10 {
		err = errors.Join(err, fmt.Errorf("%d pending", len(pending)))
	}
	return true, errors.Join(err, s.Close())
}

func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, readErr := os.ReadFile(filepath.Join(from, e.Name()))
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(to, e.Name()), data, 0o600))
	}
	return err
}

// fileVar says what the files are called whose change is to fail, and how.
const fileVar = "EMBEDDED_TEST_FILE"

// TestStore_DiskErrorsEndIt fails one operation on a file and lets all others succeed, as Linux does. A store that has
// failed keeps its goroutines, hence it does so in a process of its own.
func TestStore_DiskErrorsEndIt(t *testing.T) {
	for _, what := range []string{"sync .log", "sync .sst", "sync MANIFEST", "write .log", "write MANIFEST", "create .log", "rotate .log", "close .log", "nothing"} {
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
		case (how == "sync" || how == "rotate" || how == "close") && isSync(op), how == "write" && op.Kind == errorfs.OpFileWrite,
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
	case how == "close":
		if err := s.Close(); !errors.Is(err, syscall.EIO) {
			return fmt.Errorf("close: %w", err)
		}
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
