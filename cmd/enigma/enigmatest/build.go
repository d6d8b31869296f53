// Package enigmatest runs the real program for tests: it builds the binary once, starts it on ports of its own, reads
// its first lines, talks to it as users do, and insists that it ends cleanly.
//
// A test package hands its TestMain to [Main] and then calls [Start] or [Run] at will. The binary has the race
// detector in it when the test has; a race, a panic or an exit status that was not expected fails the test.
package enigmatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Package is what is built.
const Package = "github.com/enigma-protocol/enigma/cmd/enigma"

// built is the one binary of a test process; Main removes it.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Main is for TestMain: it runs the tests and removes the binary. It returns the exit status.
func Main(m *testing.M) int {
	status := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // a left-over in the temporary directory does not make tests fail
	}
	return status
}

// Binary returns the path of the program, built at the first call.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(build)
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func build() {
	if built.dir, built.err = os.MkdirTemp("", "enigmatest"); built.err != nil {
		return
	}
	built.path = filepath.Join(built.dir, "enigma")
	args := []string{"build", "-o", built.path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, Package)...).CombinedOutput(); err != nil {
		built.err = fmt.Errorf("building %s: %w\n%s", Package, err, out)
	}
}
