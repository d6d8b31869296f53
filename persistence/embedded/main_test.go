package embedded_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

var _ actors.Store = (*embedded.Store)(nil)

// childVar names, in the environment of this test run again as a child process, what the child is to do.
const childVar = "EMBEDDED_TEST_CHILD"

// children are run in a process of their own: to be killed, to be traced, or to have a file system of their own.
var children = map[string]func() error{
	"append":    appendForever,
	"early":     acknowledgeEarly,
	"memory":    keepNothing,
	"full":      fillDisk,
	"squeeze":   squeezeDisk,
	"sync":      meetFailedSync,
	"diskerror": meetDiskError,
	"openerror": meetErrorsInOpen,
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVar)]; child != nil {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string, opts embedded.Options) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}
