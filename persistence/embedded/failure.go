package embedded

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/persistence"
)

// failure is where the engine's end is known. It is for good: what is on the disk after a failed fsync cannot be known
// from here, only by reading it back at the next start.
type failure struct {
	logger *slog.Logger
	report func(error) // Options.Failed; may be nil

	once sync.Once
	err  atomic.Pointer[error]
	done chan struct{} // closed once err is set
}

func newFailure(logger *slog.Logger, report func(error)) *failure {
	return &failure{logger: logger, report: report, done: make(chan struct{})}
}

// fail ends the store. Any goroutine may call it, one of the engine's too, whatever locks it holds.
func (f *failure) fail(err error) {
	f.once.Do(func() {
		f.err.Store(&err)
		close(f.done)
		go func() {
			f.logger.Error("store failed for good", "error", err)
			if f.report != nil {
				f.report(err)
			}
		}()
	})
}

// failed returns why the store has ended, or nil.
func (f *failure) failed() error {
	if err := f.err.Load(); err != nil {
		return fmt.Errorf("%w: engine failed: %w", persistence.ErrUnavailable, *err)
	}
	return nil
}

// engineLogger hears what Pebble has to say. Pebble calls Fatalf where it does not know how to go on, after a failed
// write of its log above all, and expects the process to end there. Ending it is for the program to do: here the store
// fails, which keeps the engine from changing anything on the disk (see guard), and Fatalf returns.
type engineLogger struct{ failure *failure }

var _ pebble.Logger = engineLogger{}

// Infof is chatter about every flush and table.
func (engineLogger) Infof(string, ...any) {}

// Errorf is rare, and about the engine's files.
func (l engineLogger) Errorf(format string, args ...any) {
	if l.failure.failed() == nil {
		l.failure.logger.Warn("store engine", "message", fmt.Sprintf(format, args...))
	}
}

// Fatalf ends the store.
func (l engineLogger) Fatalf(format string, args ...any) {
	l.failure.fail(fmt.Errorf(format, args...))
}
