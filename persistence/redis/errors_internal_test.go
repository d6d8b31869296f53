package redis

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/persistence"
)

// TestRefusalOutcome: the texts are those of Redis 6 and 7, as the client hands them on.
func TestRefusalOutcome(t *testing.T) {
	for text, want := range map[string]error{
		"OOM command not allowed when used memory > 'maxmemory'.":                                                      persistence.ErrFull,
		"OOM allow-oom flag is not set on the function, can not run it when used memory > 'maxmemory'":                 persistence.ErrFull,
		"EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.":          persistence.ErrFull,
		"Error running script (call to f_0): @user_script:1: -OOM command not allowed when used memory > 'maxmemory'.": persistence.ErrFull,
		"MISCONF Errors writing to the AOF file: No space left on device":                                              persistence.ErrFull,
		"MISCONF Errors writing to the AOF file: Input/output error":                                                   persistence.ErrUnavailable,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.":             persistence.ErrUnavailable,
		"READONLY You can't write against a read only replica.":                                                        persistence.ErrUnavailable,
		"LOADING Redis is loading the dataset in memory":                                                               persistence.ErrUnavailable,
		"CLUSTERDOWN Hash slot not served":                                                                             persistence.ErrUnavailable,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                             persistence.ErrUnavailable,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                                      persistence.ErrUnavailable,
		"NOREPLICAS Not enough good replicas to write.":                                                                persistence.ErrUnavailable,
		"BUSY Redis is busy running a script.":                                                                         persistence.ErrUnavailable,
		"NOPERM this user has no permissions to run the 'fcall' command":                                               persistence.ErrUnavailable,
		"MOVED 7 127.0.0.1:1": persistence.ErrUnavailable,
		"WRONGTYPE Operation against a key holding the wrong kind of value": persistence.ErrCorrupt,
		"CORRUPT mailbox state": persistence.ErrCorrupt,
	} {
		if got := refusalOutcome(text); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestFailure_WithoutAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		write bool
		err   error
		want  error
	}{
		"read, link broken":         {false, io.EOF, persistence.ErrUnavailable},
		"write, link broken":        {true, io.EOF, persistence.ErrUnknownOutcome},
		"write, no reply in time":   {true, context.DeadlineExceeded, persistence.ErrUnknownOutcome},
		"write, client closed":      {true, rueidis.ErrClosing, persistence.ErrUnknownOutcome},
		"write, never connected":    {true, &notSentError{io.EOF}, persistence.ErrUnavailable},
		"write, slot without node":  {true, rueidis.ErrNoSlot, persistence.ErrUnavailable},
		"write, context had ended":  {true, unmade(ended()), persistence.ErrUnavailable},
		"write, reply not a string": {true, errors.New("redis message type int64 is not a string"), persistence.ErrUnknownOutcome},
	} {
		if got := failure("test", c.write, c.err); !errors.Is(got, c.want) || !errors.Is(got, c.err) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
