//go:build unix

package main

import (
	"log/slog"
	"math"
	"syscall"
)

// fewFiles is the limit of open files below which a start is worth a warning: each connection takes one.
const fewFiles = 10000

// raiseFileLimit raises the number of files this process may open to what the system grants, and warns when that is
// little. The Go runtime does the first half as well, today; a server should not hang on it.
func raiseFileLimit(log *slog.Logger) openFiles {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("the limit of open files cannot be read", "error", err)
		return 0
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
	return openFiles(min(limit.Cur, math.MaxInt32)) // "unlimited" is a number too
}
