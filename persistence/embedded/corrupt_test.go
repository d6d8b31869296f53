package embedded_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

// crashed returns a directory as a crash leaves it after n acknowledged envelopes to alice: with flush they are in a
// table, else in the log.
func crashed(t *testing.T, n uint64, flush bool) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir, embedded.Options{})
	defer s.Close()
	for seq := range n {
		if err := appendMail(t.Context(), s, seq+1); err != nil {
			t.Fatal(err)
		}
	}
	if flush {
		if err := s.Flush(false); err != nil {
			t.Fatal(err)
		}
	}
	return clone(t, dir)
}

func clone(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if ok, err := vfs.Clone(vfs.Default, vfs.Default, dir, to); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return to
}

// newest returns the path of the newest file with that ending.
func newest(t *testing.T, dir, ending string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s: %v", ending, dir, err)
	}
	slices.Sort(files)
	return files[len(files)-1]
}

// damage changes the bytes of a file.
func damage(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// used returns how much of a log has been written: it is followed by zeros.
func used(data []byte) int {
	n := len(data)
	for n > 0 && data[n-1] == 0 {
		n--
	}
	return n
}

// inOrder expects the first n envelopes to alice, as they were appended, and returns n.
func inOrder(t *testing.T, pending []persistence.Pending) int {
	t.Helper()
	for i := range pending {
		if pending[i].Seq != uint64(i)+1 || string(pending[i].Payload) != fmt.Sprint(i+1) {
			t.Fatalf("envelope %d is %d %q", i+1, pending[i].Seq, pending[i].Payload)
		}
	}
	return len(pending)
}

// TestOpen_TornLogIsReadAsFarAsItGoes cuts the log, as a crash does in the middle of a write.
func TestOpen_TornLogIsReadAsFarAsItGoes(t *testing.T) {
	const n = 20
	whole := crashed(t, n, false)
	last := -1
	for _, missing := range []int{400, 300, 200, 100, 50, 1, 0} {
		dir := clone(t, whole)
		damage(t, newest(t, dir, ".log"), func(data []byte) []byte { return data[:used(data)-missing] })
		s := open(t, dir, embedded.Options{})
		pending, err := readAll(s, alice())
		if err != nil {
			t.Fatal(err)
		}
		got := inOrder(t, pending)
		if got < last {
			t.Fatalf("%d bytes missing: %d envelopes, fewer than with more missing", missing, got)
		}
		last = got
		if err := errors.Join(appendMail(t.Context(), s, n+1), s.Close()); err != nil {
			t.Fatalf("%d bytes missing: %v", missing, err)
		}
	}
	if last != n {
		t.Fatalf("%d envelopes in the whole log, want %d", last, n)
	}
}

// TestOpen_FlippedLogIsAnError flips bits in the log, with more log behind them: it must not pass for a torn end, which
// would lose all that is behind.
func TestOpen_FlippedLogIsAnError(t *testing.T) {
	const n = 50
	whole := crashed(t, n, false)
	size := 0
	damage(t, newest(t, whole, ".log"), func(data []byte) []byte { size = used(data); return data })
	for at := 0; at < size*3/4; at += 37 {
		dir := clone(t, whole)
		damage(t, newest(t, dir, ".log"), func(data []byte) []byte { data[at] ^= 1; return data })
		s, err := embedded.Open(dir, embedded.Options{})
		if err == nil {
			pending, _ := readAll(s, alice())
			_ = s.Close()
			t.Fatalf("byte %d of %d flipped: opened, with %d of %d envelopes", at, size, len(pending), n)
		}
		if !errors.Is(err, persistence.ErrCorrupt) {
			t.Fatalf("byte %d of %d flipped: %v", at, size, err)
		}
	}
}

// TestStore_FlippedTableIsAnError flips bits in a table: what is read is an error or right.
func TestStore_FlippedTableIsAnError(t *testing.T) {
	const n = 300
	whole := crashed(t, n, true)
	size := 0
	damage(t, newest(t, whole, ".sst"), func(data []byte) []byte { size = len(data); return data })
	corrupt := 0
	for at := 0; at < size; at += size / 40 {
		dir := clone(t, whole)
		damage(t, newest(t, dir, ".sst"), func(data []byte) []byte { data[at] ^= 0x10; return data })
		s, err := embedded.Open(dir, embedded.Options{})
		if err != nil {
			if !errors.Is(err, persistence.ErrCorrupt) {
				t.Fatalf("byte %d flipped: %v", at, err)
			}
			corrupt++
			continue
		}
		pending, err := readAll(s, alice())
		switch {
		case errors.Is(err, persistence.ErrCorrupt):
			corrupt++
		case err != nil:
			t.Fatalf("byte %d flipped: %v", at, err)
		case inOrder(t, pending) != n:
			t.Fatalf("byte %d flipped: %d of %d envelopes and no error", at, len(pending), n)
		}
		_ = s.Close()
	}
	if corrupt < 20 {
		t.Fatalf("only %d flips were noticed", corrupt)
	}
}

// TestStore_HostileRecordsAreErrors puts values into the engine that no enigma wrote, with checksums that are right.
func TestStore_HostileRecordsAreErrors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, embedded.Options{})
	for _, value := range []string{"", "\x00", "\x02something", "\x01short"} {
		if err := s.Tamper(alice(), 1, []byte(value)); err != nil {
			t.Fatal(err)
		}
		s.Forget()
		if _, err := readAll(s, alice()); !errors.Is(err, persistence.ErrCorrupt) {
			t.Errorf("read of %q: %v", value, err)
		}
		if err := appendMail(t.Context(), s, 2); !errors.Is(err, persistence.ErrCorrupt) {
			t.Errorf("append behind %q: %v", value, err)
		}
		bob := []persistence.Pending{{To: protocol.NewUserID([]byte("bob")), Seq: 1, Expires: farFuture}}
		if err := s.Append(t.Context(), bob, make([]error, 1)); err != nil {
			t.Errorf("append for another user: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_SaysWhoHoldsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, embedded.Options{})
	defer s.Close()
	want := "another enigma is using " + dir
	if _, err := embedded.Open(dir, embedded.Options{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("opened twice in one process: %v", err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=append", dirVar+"="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
		t.Fatalf("opened by two processes: %v, %s", err, out)
	}
	if err := appendMail(t.Context(), s, 1); err != nil {
		t.Fatalf("after others tried: %v", err)
	}
}

func TestOpen_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Run("newer format", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, embedded.Options{})
		if err := errors.Join(s.SetFormat(2), s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := embedded.Open(dir, embedded.Options{}); err == nil || !strings.Contains(err.Error(), "format 2") {
			t.Fatalf("Open: %v", err)
		}
	})
	t.Run("another database", func(t *testing.T) {
		dir := t.TempDir()
		db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Set([]byte("a"), []byte("b"), pebble.Sync), db.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := embedded.Open(dir, embedded.Options{}); err == nil {
			t.Fatal("opened")
		}
	})
	t.Run("a file in its place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := embedded.Open(path, embedded.Options{}); err == nil || strings.Contains(err.Error(), "another enigma") {
			t.Fatalf("Open: %v", err)
		}
	})
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}
