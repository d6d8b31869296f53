package faults_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// together is how many of the tests that say so run at a time: more than there are processors, for they wait a lot. Those
// that do not say so ask for a machine that keeps up.
const together = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", together); err != nil {
		panic(err) // it is a flag of every test
	}
	status := enigmatest.Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		status = 1
	}
	os.Exit(status)
}

// soak selects the long versions.
var soak = os.Getenv("ENIGMA_SOAK") == "1"

// pick returns what the length of the run asks for.
func pick[T any](short, long T) T {
	if soak {
		return long
	}
	return short
}

// within is how long anything may take that ought to happen soon. It is far above what a loaded machine needs, and
// reached only by a failure.
const within = 40 * time.Second

// await polls until is holds. What another process does cannot be waited for in any other way.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
