package main

import (
	"os"
	"path/filepath"
	"testing"
)

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
