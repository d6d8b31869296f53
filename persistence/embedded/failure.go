package embedded

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/persistence"
)

// failure is where the engine's end is known. It is for good: what is on the disk after a failed fsync cannot be known
// from here, only by reading it back at the next start.
type failure struct {
	logger *slog.Logger
	report func(error) // Options.Failed; may be nil

	once   sync.Once
	err    atomic.Pointer[error]
	done   chan struct{} // closed once err is set
	warned atomic.Int64  // when the engine was last heard, Unix nanoseconds
	opened atomic.Bool   // Open has succeeded; until then it is Open that reports
}

func newFailure(logger *slog.Logger, report func(error)) *failure {
	return &failure{logger: logger, report: report, done: make(chan struct{})}
}

// fail ends the store. Any goroutine may call it, one of the engine's too, whatever locks it holds.
func (f *failure) fail(err error) {
	f.once.Do(func() {
		f.err.Store(&err)
		close(f.done)
		if !f.opened.Load() {
			return
		}
		go func() {
			f.logger.Error("store failed for good", "error", err.Error())
			if f.report != nil {
				f.report(err)
			}
		}()
	})
}

// freeze holds a goroutine of the engine, or one that has called it, for good: it must not go on, and there is nobody to
// take an error. Callers of the store do not wait for it.
func (f *failure) freeze() { select {} }

// failed returns why the store has ended, or nil.
func (f *failure) failed() error {
	if err := f.err.Load(); err != nil {
		return fmt.Errorf("%w: engine failed: %w", persistence.ErrUnavailable, *err)
	}
	return nil
}

// engineLogger hears what Pebble has to say. Pebble calls Fatalf where it does not know how to go on, and expects the
// process to end there. Ending it is for the program to do: the store fails, and the goroutine is held.
type engineLogger struct{ failure *failure }

var _ pebble.Logger = engineLogger{}

// Infof is chatter about every flush and table.
func (engineLogger) Infof(string, ...any) {}

// Errorf is about the engine's files. The engine tries again at once what has failed, and says so each time.
func (l engineLogger) Errorf(format string, args ...any) {
	now := time.Now().UnixNano()
	last := l.failure.warned.Load()
	if now-last < int64(warnEvery) || !l.failure.warned.CompareAndSwap(last, now) || l.failure.failed() != nil {
		return
	}
	l.failure.logger.Warn("store engine", "message", fmt.Sprintf(format, args...))
}

const warnEvery = 10 * time.Second

// Fatalf ends the store.
func (l engineLogger) Fatalf(format string, args ...any) {
	l.failure.fail(fmt.Errorf(format, args...))
	l.failure.freeze()
}
