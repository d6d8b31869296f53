package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMachine_RaisesTheLimitOfOpenFiles(t *testing.T) {
	var before, after syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	low := before
	low.Cur = min(512, low.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	files := raiseFileLimit(slog.New(slog.NewTextHandler(&log, nil)))
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after); err != nil {
		t.Fatal(err)
	}
	if after.Cur != after.Max {
		t.Errorf("the limit is %d of %d", after.Cur, after.Max)
	}
	if files != openFiles(after.Max) {
		t.Errorf("the limit is said to be %d, want %d", files, after.Max)
	}
	if warned := strings.Contains(log.String(), "few open files"); warned != (after.Max < fewFiles) {
		t.Errorf("with a limit of %d the log says %q", after.Max, &log)
	}
}

func TestMachine_KeepsFilesForTheStore(t *testing.T) {
	for files, want := range map[openFiles]struct{ conns, store int }{
		0:       {0, 0}, // nobody knows: no bound, the store's default
		64:      {16, 0},
		256:     {136, 70},
		1024:    {904, 70},
		20_000:  {19_000, 950},
		1 << 30: {1<<30 - 1000, 950},
	} {
		if conns, store := files.conns(), files.store(); conns != want.conns || store != want.store {
			t.Errorf("of %d files, %d are for connections and %d for the store, want %+v", files, conns, store, want)
		}
	}
}

func TestMachine_ReadsItsMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meminfo")
	for text, want := range map[string]int64{
		"MemTotal:       24684096 kB\nMemFree: 1 kB\n": 24684096 << 10,
		"MemFree: 1 kB\n":  0,
		"MemTotal: many\n": 0,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := memTotal(file); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", text, got, ok, want)
		}
	}
	if machineMemory() < 1<<20 {
		t.Errorf("this machine has %d bytes of memory", machineMemory())
	}
}
