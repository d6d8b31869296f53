package scale_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestMain(m *testing.M) { os.Exit(enigmatest.LongMain(m)) }

// within is how long nothing may happen where something ought to. It is far above what a loaded machine needs, and
// reached only by a failure.
const within = 30 * time.Second

// await polls until done returns true, and fails when the number that it returns has not changed for too long.
func await(t testing.TB, what string, is func() (progress float64, done bool)) {
	t.Helper()
	last, since := -1.0, time.Now()
	for {
		progress, done := is()
		if done {
			return
		}
		if progress != last {
			last, since = progress, time.Now()
		} else if time.Since(since) > within {
			t.Fatalf("nothing more happens (%v), and not yet: %s", progress, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// atOnce is how many things of a kind are done at a time, where they are many.
const atOnce = 64

// each does f for every number below n, many at a time, and returns the first few errors.
func each(n, atOnce int, f func(i int) error) error {
	var next, failed atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, 5)
	for range min(n, atOnce) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					failed.Add(1)
					select {
					case errs <- fmt.Errorf("%d: %w", i, err):
					default:
					}
				}
			}
		})
	}
	all.Wait()
	close(errs)
	var list []error
	for err := range errs {
		list = append(list, err)
	}
	if len(list) > 0 {
		return fmt.Errorf("%d of %d failed, such as %w", failed.Load(), n, errors.Join(list...))
	}
	return nil
}

// mustEach is each where nothing may fail.
func mustEach(t testing.TB, n, atOnce int, f func(i int) error) {
	t.Helper()
	if err := each(n, atOnce, f); err != nil {
		t.Fatal(err)
	}
}

// perAddress is how many connections come from one address.
const perAddress = 500

// dials counts the connections of this process.
var dials atomic.Int64

// source returns the address that the next connection comes from: a crowd has many.
func source() string {
	n := dials.Add(1) / perAddress
	return fmt.Sprintf("127.0.%d.%d", 1+n/250%250, 1+n%250)
}

// linesWith counts the lines of a log that hold a text.
func linesWith(log, text string) (n int) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// expectLines fails if not exactly so many lines of the server's log hold a text.
func expectLines(t testing.TB, s *enigmatest.Server, want int, text string) {
	t.Helper()
	if n := linesWith(s.Log(), text); n != want {
		t.Errorf("%d lines of the log say %q, want %d", n, text, want)
	}
}
