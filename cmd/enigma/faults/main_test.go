package faults_test

import (
	"os"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestMain(m *testing.M) { os.Exit(enigmatest.LongMain(m)) }

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
