//go:build !linux

package enigmatest

import "syscall"

// orphans has no counterpart here: a test process that is killed leaves its servers behind.
func orphans() *syscall.SysProcAttr { return nil }
