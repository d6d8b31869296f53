package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

const (
	diskSize    = 512 << 20
	diskMinFree = 64 << 20
)

// onSmallDisk runs a child of this test on a tmpfs of its own: a file system that can be full. It needs a kernel that
// lets this process make a mount namespace: root in most containers, or anybody where user namespaces are allowed. The
// mount ends with the child.
func onSmallDisk(t *testing.T, child string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+child, dirVar+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.Process == nil {
		t.Fatalf("cannot run in a mount namespace (run as root, or allow user namespaces): %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestStore_FullDiskRefusesAndRecovers(t *testing.T)     { onSmallDisk(t, "full") }
func TestStore_DiskFilledByOthersDoesNotEndIt(t *testing.T) { onSmallDisk(t, "squeeze") }

// smallDisk mounts a tmpfs and opens a store on it.
func smallDisk() (s *embedded.Store, dir string, err error) {
	dir = os.Getenv(dirVar)
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return nil, "", fmt.Errorf("make mounts private (run as root): %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", diskSize)); err != nil {
		return nil, "", fmt.Errorf("mount a tmpfs (run as root): %w", err)
	}
	s, err = embedded.Open(filepath.Join(dir, "store"), embedded.Options{MinFree: diskMinFree})
	return s, dir, err
}

// filler is one user per batch, with large envelopes.
func fillerUser(i int) protocol.UserID { return protocol.NewUserID(fmt.Appendf(nil, "filler %d", i)) }

// appendOne appends 1 MiB to a user.
func appendOne(s *embedded.Store, i int) error {
	var batch []persistence.Pending
	for seq := range uint64(16) {
		payload := make([]byte, 64<<10)
		for j := range payload { // not compressible
			payload[j] = byte((uint64(j)*uint64(j)*2654435761 + seq*97 + uint64(i)*131) >> 7)
		}
		batch = append(batch, persistence.Pending{To: fillerUser(i), Seq: seq + 1, Expires: farFuture, Payload: payload})
	}
	errs := make([]error, len(batch))
	return errors.Join(append(errs, s.Append(context.Background(), batch, errs))...)
}

// fillDisk is the child that fills the disk with mail, to the floor, and drains it.
func fillDisk() error {
	s, _, err := smallDisk()
	if err != nil {
		return err
	}
	ctx, errs := context.Background(), make([]error, 1)
	key := []persistence.KeyRecord{{User: fillerUser(0), Key: []byte("key")}}
	if err := errors.Join(s.PutKeys(ctx, key, errs), errs[0]); err != nil {
		return err
	}
	n := 0
	for err = nil; err == nil; n++ {
		err = appendOne(s, n)
	}
	if n--; !errors.Is(err, persistence.ErrFull) || n < 32 {
		return fmt.Errorf("append to a full disk after %d MiB: %w", n, err)
	}
	fmt.Println("full after", n, "MiB")
	keys := make([]persistence.KeyRecord, 1)
	if err := errors.Join(s.Keys(ctx, []protocol.UserID{fillerUser(0)}, keys, errs), s.Ping(ctx)); err != nil || keys[0].Key == nil {
		return fmt.Errorf("Keys on a full disk: %w, %v", err, keys)
	}
	// Half of the mail goes, spread over all tables, which must be rewritten to gain from it; then everything.
	if err := errors.Join(drainDisk(s, n, 2), recovers(s, n)); err != nil {
		return err
	}
	for n++; err == nil; n++ {
		err = appendOne(s, n)
	}
	if n--; !errors.Is(err, persistence.ErrFull) {
		return fmt.Errorf("append to a disk full again: %w", err)
	}
	return errors.Join(drainDisk(s, n, 1), recovers(s, n), s.Close())
}

// drainDisk reads and confirms what one in so many of the first n users has.
func drainDisk(s *embedded.Store, n, step int) error {
	errs := make([]error, 1)
	for i := 0; i < n; i += step {
		pending, err := readAll(s, fillerUser(i))
		if err != nil || len(pending) != 16 && len(pending) != 0 {
			return fmt.Errorf("read %d on a full disk: %d, %w", i, len(pending), err)
		}
		if err := s.Confirm(context.Background(), []persistence.Confirmed{{User: fillerUser(i), Seq: 16}}, errs); err != nil || errs[0] != nil {
			return fmt.Errorf("confirm on a full disk: %w, %w", err, errs[0])
		}
	}
	return nil
}

// recovers waits until appends work again, by themselves.
func recovers(s *embedded.Store, i int) error {
	err := appendOne(s, i)
	for deadline := time.Now().Add(90 * time.Second); errors.Is(err, persistence.ErrFull) && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond) // the store merges tables meanwhile; there is nothing to wait on
		err = appendOne(s, i)
	}
	if err != nil {
		return fmt.Errorf("no recovery: %w", err)
	}
	if pending, err := readAll(s, fillerUser(i)); err != nil || len(pending) != 16 {
		return fmt.Errorf("read after recovery: %d, %w", len(pending), err)
	}
	return nil
}

// squeezeDisk is the child whose disk somebody else fills to the last byte, while the store has work to do.
func squeezeDisk() error {
	s, dir, err := smallDisk()
	if err != nil {
		return err
	}
	const n = 40
	for i := range n {
		if err := appendOne(s, i); err != nil {
			return err
		}
	}
	ballast := filepath.Join(dir, "ballast")
	if err := fill(ballast); err != nil {
		return err
	}
	errs := make([]error, 1)
	key := []persistence.KeyRecord{{User: fillerUser(1), Key: []byte("key")}}
	if err := s.PutKeys(context.Background(), key, errs); !errors.Is(err, persistence.ErrFull) {
		return fmt.Errorf("PutKeys on a disk without a byte: %w", err)
	}
	for i := range n {
		if err := appendOne(s, i); !errors.Is(err, persistence.ErrFull) {
			return fmt.Errorf("append to a disk without a byte: %w", err)
		}
		if pending, err := readAll(s, fillerUser(i)); err != nil || len(pending) != 16 {
			return fmt.Errorf("read from a disk without a byte: %d, %w", len(pending), err)
		}
		err := s.Confirm(context.Background(), []persistence.Confirmed{{User: fillerUser(i), Seq: 16}}, errs)
		if !errors.Is(err, persistence.ErrFull) {
			return fmt.Errorf("confirm on a disk without a byte: %w", err)
		}
	}
	if err := errors.Join(s.Failure(), os.Remove(ballast)); err != nil {
		return err
	}
	return errors.Join(recovers(s, n), s.Close())
}

// fill writes a file until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return err
		}
	}
	return f.Close()
}

func TestStore_GivesSpaceBackAfterADrain(t *testing.T) {
	s := open(t, t.TempDir(), embedded.Options{})
	defer s.Close()
	const n = 100
	for i := range n {
		if err := appendOne(s, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(false); err != nil {
		t.Fatal(err)
	}
	if before := s.Tables(); before < n<<20/2 {
		t.Fatalf("only %d bytes of tables", before)
	}
	for i := range n {
		errs := make([]error, 1)
		if err := s.Confirm(t.Context(), []persistence.Confirmed{{User: fillerUser(i), Seq: 16}}, errs); err != nil || errs[0] != nil {
			t.Fatal(err, errs[0])
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for s.Tables() > n<<20/4 {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes of tables are left", s.Tables())
		}
		time.Sleep(50 * time.Millisecond) // the store merges tables meanwhile; there is nothing to wait on
	}
}
