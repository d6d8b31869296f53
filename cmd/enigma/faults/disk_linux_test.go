package faults_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// mountDisk mounts a small file system in memory for the time of the test and returns where.
func mountDisk(t *testing.T, mib int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a small disk can only be mounted by root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// ballast is a file that takes the space of a disk.
type ballast struct {
	t    *testing.T
	dir  string
	path string
}

// fill grows the file until no more than mib MiB are free.
func (b *ballast) fill(mib int64) {
	b.t.Helper()
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		var st syscall.Statfs_t
		if err := syscall.Statfs(b.dir, &st); err != nil {
			b.t.Fatal(err)
		}
		if int64(st.Bavail)*st.Bsize <= mib<<20 {
			return
		}
		if _, err := f.Write(block); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				return
			}
			b.t.Fatal(err)
		}
	}
}

func (b *ballast) drop() {
	b.t.Helper()
	if err := os.Remove(b.path); err != nil {
		b.t.Fatal(err)
	}
}

// TestDisk_FullUnderLoad takes the space away, first to just below the floor, then all of it.
func TestDisk_FullUnderLoad(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t, 384)
	o := newOutage(t, "--store", filepath.Join(dir, "store"), "--min-free", "64MiB")
	b := &ballast{t, dir, filepath.Join(dir, "ballast")}
	for round := range enigmatest.Pick(2, 20) {
		reader := o.fillReader(round)
		b.fill([]int64{60, 0}[round%2])
		o.bites("STORE_FULL")
		o.refusesKeys(http.StatusInsufficientStorage, "STORE_FULL")
		for _, want := range []int{stock, 0} { // a delete is written too; with no room for that it is remembered
			if got := o.reads(reader); got != want {
				t.Errorf("round %d: %d messages came while the disk was full, want %d", round, got, want)
			}
		}
		o.comesAndGoes(o.load.away[0])
		b.drop()
		o.heals()
	}
	o.check()
}

// inject lets system calls of the running server fail or wait, until the function it returns is called or the server
// ends. An injection is what strace calls one; only what concerns the file path is touched, everything if it is empty.
func inject(t *testing.T, pid int, path string, calls, injection string) (stop func()) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is needed by this test (Debian: apt-get install strace)")
	}
	notes := filepath.Join(t.TempDir(), "strace")
	args := []string{"-f", "-q", "-o", notes, "-p", strconv.Itoa(pid), "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + injection}
	if path != "" {
		args = append(args, "-P", path)
	}
	cmd := exec.Command(strace, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it ends with the server, or by our signal
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // which detaches
		select {
		case <-ended:
		case <-time.After(within):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(stop)
	await(t, "strace touches a call", func() bool {
		text, _ := os.ReadFile(notes)
		select {
		case <-ended:
			return true
		default:
			return len(text) > 0
		}
	})
	return stop
}

// syncCalls are all the ways to sync a file.
const syncCalls = "fsync,fdatasync,sync_file_range,msync"

// TestDisk_FailsUnderLoad has the disk fail in the ways in which disks fail. The server must not go on as if nothing
// had been: it ends, with a status that says so, and the next one finds all that was acknowledged.
func TestDisk_FailsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		calls, injection string
		onLog            bool // the log of the store only
	}{
		"sync":      {syncCalls, "error=EIO", false},
		"log write": {"write,pwrite64,writev", "error=EIO", true},
		"log full":  {"write,pwrite64,writev", "error=ENOSPC", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := newOutage(t, "--store", dir, "--shutdown-timeout", "2s")
			o.probe.stop() // its connections end with the server
			for range enigmatest.Pick(1, 30) {
				path := ""
				if fault.onLog {
					path = newestLog(t, dir)
				}
				o.site.ExpectStatus(1)
				inject(t, o.site.Pid(), path, fault.calls, fmt.Sprintf("%s:when=%d+", fault.injection, 1+rand.IntN(20)))
				if status := o.site.Wait(); status != 1 {
					t.Errorf("exit status %d, want 1", status)
				}
				o.site.start()
				time.Sleep(300 * time.Millisecond) // of load
			}
			o.load.away = append(o.load.away, o.site.login("probe", 4)...)
			o.load.check()
		})
	}
}

// newestLog returns the log that the embedded store writes now.
func newestLog(t *testing.T, dir string) string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log in %s: %v", dir, err)
	}
	slices.Sort(logs)
	return logs[len(logs)-1]
}

// TestDisk_HangsUnderLoad has every sync take longer than anybody waits.
func TestDisk_HangsUnderLoad(t *testing.T) {
	t.Parallel() // it mostly waits
	o := newOutage(t, "--store", t.TempDir())
	for range enigmatest.Pick(1, 10) {
		stop := inject(t, o.site.Pid(), "", syncCalls, "delay_enter=3s")
		o.bites("STORE_UNAVAILABLE")
		stop()
		o.heals()
	}
	o.check()
}
