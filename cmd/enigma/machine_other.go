//go:build !unix

package main

import "log/slog"

// raiseFileLimit has nothing to do where there is no limit of open files.
func raiseFileLimit(*slog.Logger) openFiles { return 0 }
