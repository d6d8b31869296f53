package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// fewFiles is the limit of open files below which a start is worth a warning: each connection takes one.
const fewFiles = 10000

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

// raiseFileLimit raises the number of files this process may open to what the system grants, and warns when that is
// little. The Go runtime does the first half as well, today; a server should not hang on it.
func raiseFileLimit(log *slog.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("the limit of open files cannot be read", "error", err)
		return
	}
	if limit.Cur < limit.Max {
		raised := limit
		raised.Cur = raised.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
			limit = raised
		}
	}
	if limit.Cur < fewFiles {
		log.Warn("few open files are allowed, and each connection takes one: raise the limit (ulimit -n, LimitNOFILE)", "limit", limit.Cur)
	}
}
