package enigmatest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// together is how many of the tests that say so run at a time: more than there are processors, for they wait a lot. Those
// that do not say so ask for a machine that keeps up.
const together = "4"

// LongMain is [Main] for packages of long tests: four of those that call t.Parallel run at a time, and a goroutine that
// is left at the end is a failure.
func LongMain(m *testing.M) int {
	flag.Parse()
	if err := flag.Set("test.parallel", together); err != nil {
		panic(err) // it is a flag of every test
	}
	status := Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		status = 1
	}
	return status
}

// Soak says that the long versions of the tests are wanted.
var Soak = os.Getenv("ENIGMA_SOAK") == "1"

// Pick returns what the length of the run asks for.
func Pick[T any](short, long T) T {
	if Soak {
		return long
	}
	return short
}
