package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc: the kernel's USER_HZ, which is 100 on every architecture Go runs on.
const clockTick = 10 * time.Millisecond

// usage is what a process has used, and what it holds.
type usage struct {
	cpu time.Duration // user and system
	rss int64         // bytes
}

// usageOf reads what a process has used (proc(5), /proc/pid/stat).
func usageOf(pid int) (usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The name, the second field, may hold anything; what follows it does not.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system, rss = 14 - 3, 15 - 3, 24 - 3 // numbered from 1, and the third is the first here
	if len(fields) <= rss {
		return usage{}, errors.New("/proc/pid/stat is too short")
	}
	var n [3]int64
	for i, field := range []int{user, system, rss} {
		if n[i], err = strconv.ParseInt(string(fields[field]), 10, 64); err != nil {
			return usage{}, fmt.Errorf("/proc/pid/stat: %w", err)
		}
	}
	return usage{cpu: time.Duration(n[0]+n[1]) * clockTick, rss: n[2] * int64(os.Getpagesize())}, nil
}
