package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

// meetFailedSync is a child under strace, which fails its syncs from some moment on. It appends until an append fails,
// prints how many were acknowledged, and exits as the program does.
func meetFailedSync() error {
	failed := make(chan error, 1)
	s, err := embedded.Open(os.Getenv(dirVar), embedded.Options{Failed: func(err error) { failed <- err }})
	if err != nil {
		return err
	}
	ctx := context.Background()
	seq := uint64(1)
	for err == nil && seq < 10_000 {
		if err = appendMail(ctx, s, seq); err == nil {
			seq++
		}
	}
	fmt.Println("acked", seq-1)
	if !errors.Is(err, persistence.ErrUnknownOutcome) {
		return fmt.Errorf("append whose sync failed: %w", err)
	}
	for range 100 {
		if err := appendMail(ctx, s, seq); !errors.Is(err, persistence.ErrUnavailable) {
			return fmt.Errorf("append after a failed sync: %w", err)
		}
	}
	select {
	case <-failed:
	case <-time.After(10 * time.Second):
		return errors.New("Failed was not called")
	}
	_ = s.Close()
	fmt.Println("exit 3")
	os.Exit(3)
	return nil
}

// TestStore_FailedSyncOfTheKernel lets the kernel fail fdatasync once with EIO. It is never tried again, though it would
// succeed, nothing is written after it, and all that was acknowledged is there at the next start. It needs strace, which
// must be allowed to trace.
func TestStore_FailedSyncOfTheKernel(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is not installed: apt-get install strace")
	}
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	// strace counts the calls of each thread. The engine syncs its log on whichever it runs, hence more than one may be
	// failed; the log is first synced when it is made.
	cmd := exec.Command(strace, "-f", "-qq", "-o", trace, "-e", "trace=fsync,fdatasync,sync_file_range,write,pwrite64",
		"-e", "signal=none", "-e", "inject=fdatasync:error=EIO:when=20", os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=sync", dirVar+"="+dir, "GOMAXPROCS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("child: %v\n%s\n%s", err, out, &stderr)
	}
	var acked int
	if _, err := fmt.Sscanf(string(out), "acked %d\n", &acked); err != nil || acked == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	checkTrace(t, trace)
	s := open(t, dir, embedded.Options{})
	defer s.Close()
	pending, err := readAll(s, alice())
	if err != nil || len(pending) < acked || len(pending) > acked+1 {
		t.Fatalf("%d pending after the start, %d were acknowledged: %v", len(pending), acked, err)
	}
}

// checkTrace looks for what was done to files after the first injected failure. What goes to pipes and the runtime's
// eventfd, and what the child prints, is of 8 bytes or begins with a known word.
func checkTrace(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := bytes.Cut(data, []byte("(INJECTED)"))
	if !ok {
		t.Fatalf("nothing was injected:\n%s", data)
	}
	harmless := regexp.MustCompile(`write\([0-9]+, "(acked|exit|[0-9/: ]+ERROR|time=|\\1\\0\\0\\0\\0\\0\\0\\0|\\0", 1\))`)
	for line := range strings.SplitSeq(string(after), "\n") {
		call := strings.Contains(line, "sync") || strings.Contains(line, "write")
		if call && !harmless.MatchString(line) {
			t.Errorf("after the failed fdatasync: %s", line)
		}
	}
}
