package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/persistence"
)

// failure turns a call's error into one of the outcomes of package persistence, with what was being done.
//
// An error that the server answered means that nothing happened: all are given before a command or a script runs, or
// before its first write. Without an answer, a read has failed, and a write has an unknown outcome unless it is known
// not to have been sent.
func failure(doing string, write bool, err error) error {
	outcome := persistence.ErrUnavailable
	if refused := refusal(err); refused != "" {
		outcome = refusalOutcome(refused)
	} else if write && !unsent(err) {
		outcome = persistence.ErrUnknownOutcome
	}
	return fmt.Errorf("%s: %w: %w", doing, outcome, err)
}

// refusal is the text of an error that the server answered, without the code ERR, which says nothing; else "".
func refusal(err error) string {
	if err == nil {
		return ""
	}
	var answered *rueidis.RedisError
	if errors.As(err, &answered) && !answered.IsNil() {
		return strings.TrimPrefix(answered.Error(), "ERR ")
	}
	return ""
}

// refusalOutcome tells full and corrupt from all other refusals, among them READONLY, LOADING, CLUSTERDOWN, MASTERDOWN,
// TRYAGAIN, NOREPLICAS, BUSY, NOAUTH and NOPERM, which are all no fault of the record and may pass.
//
// MISCONF means that Redis refuses writes, deletes too, because it could not save. That is a full store only where it
// says that the disk is full; a failed snapshot does not say why.
func refusalOutcome(text string) error {
	switch {
	case outOfMemory(text), strings.Contains(text, "No space left on device"):
		return persistence.ErrFull
	case strings.HasPrefix(text, "CORRUPT"), strings.HasPrefix(text, "WRONGTYPE"):
		return persistence.ErrCorrupt
	}
	return persistence.ErrUnavailable
}

// outOfMemory reports whether a refusal means maxmemory, also of the transaction around the command.
func outOfMemory(text string) bool {
	return strings.HasPrefix(text, "OOM ") || strings.Contains(text, "OOM command not allowed")
}

// unsent reports whether an error without an answer came before the command could leave this process.
func unsent(err error) bool {
	var notSent *notSentError
	return errors.As(err, &notSent) || errors.Is(err, rueidis.ErrNoSlot) || errors.Is(err, errNotSent)
}

// errNotSent is the result of a call that was not made because its context had ended.
var errNotSent = errors.New("not sent")

// unmade is the error of a call whose context has ended, or nil.
func unmade(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	return nil
}

// missing reports whether the server does not have the function or script, or no functions at all after a failover to
// an older one: it has executed nothing.
func missing(text string) bool {
	return strings.HasPrefix(text, "NOSCRIPT") || strings.HasPrefix(text, "Function not found") ||
		strings.HasPrefix(text, "unknown command") && strings.Contains(text, "FCALL")
}

// forbidden reports whether the server does not know a command or does not let us use it.
func forbidden(text string) bool {
	return strings.HasPrefix(text, "NOPERM") || strings.HasPrefix(text, "unknown command") ||
		strings.HasPrefix(text, "unknown subcommand") || strings.HasPrefix(text, "Unknown subcommand")
}

// isClusterDisabled reports whether the server says that it is no node of a cluster.
func isClusterDisabled(err error) bool {
	return strings.Contains(refusal(err), "cluster support disabled")
}
