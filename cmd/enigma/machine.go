package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// assumedMemory stands in where the machine does not say what it has.
const assumedMemory = 4 << 30

// machineMemory is what this process may use: the machine's memory, or the container's bound if that is less.
func machineMemory() int64 {
	memory := int64(assumedMemory)
	if n, ok := memTotal("/proc/meminfo"); ok {
		memory = n
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := os.ReadFile(file); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				memory = min(memory, n)
			}
		}
	}
	return memory
}

// memTotal reads the machine's memory, in bytes, from a file like /proc/meminfo.
func memTotal(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	_, rest, found := bytes.Cut(text, []byte("MemTotal:"))
	var kib int64
	if _, err := fmt.Sscan(string(rest), &kib); !found || err != nil {
		return 0, false
	}
	return kib << 10, true
}

// openFiles is how many files this process may open; 0 if nobody knows.
type openFiles uint64

// The files that connections do not get: the store's, listeners, the operator's connections, and one more for each
// connection that is being upgraded. The least is what the embedded store asks for whatever it is told, and a few.
const (
	leastReserve = 120
	mostReserve  = 1000
	reserveShare = 20 // one part in so many
	notStores    = 50 // of the reserve
)

// reserve is how many files are kept for others than connections: all but a quarter, where there are hardly any.
func (f openFiles) reserve() int {
	return min(max(int(f)/reserveShare, leastReserve), mostReserve, int(f)/4*3)
}

// conns is how many connections there may be, 0 for no bound.
func (f openFiles) conns() int { return int(f) - f.reserve() }

// store is how many files the store should be content with, 0 for its own default.
func (f openFiles) store() int { return max(f.reserve()-notStores, 0) }
