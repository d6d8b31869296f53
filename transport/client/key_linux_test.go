package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/transport/client"
)

// saveEnv names the file to which a child of TestKey_IsOnDiskWhenSaved saves a key.
const saveEnv = "ENIGMA_TEST_SAVE_KEY"

// TestKey_IsOnDiskWhenSaved watches a process that saves a key: it syncs the file, and then the directory that names it. A
// directory that cannot be synced is none of its business, a disk that fails is. It needs strace, which must be allowed to
// trace.
func TestKey_IsOnDiskWhenSaved(t *testing.T) {
	if path := os.Getenv(saveEnv); path != "" {
		if err := ok(client.GenerateKey()).Save(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is not installed: apt-get install strace")
	}
	for _, c := range []struct {
		inject string // into what concerns the directory
		saved  bool
	}{{"", true}, {"fsync:error=EINVAL", true}, {"openat:error=EACCES", true}, {"fsync:error=EIO", false}, {"fsync:error=ENOSPC", false}} {
		dir := t.TempDir()
		path, trace := filepath.Join(dir, "key.pem"), filepath.Join(t.TempDir(), "trace")
		args := []string{"-f", "-qq", "-y", "-o", trace, "-e", "signal=none", "-e", "trace=fsync,openat"}
		if c.inject != "" {
			args = append(args, "-P", dir, "-e", "inject="+c.inject)
		}
		cmd := exec.Command(strace, append(args, os.Args[0], "-test.run", "^"+t.Name()+"$")...)
		cmd.Env = append(os.Environ(), saveEnv+"="+path)
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.saved || err != nil && !strings.Contains(string(out), "enigma: key:") {
			t.Errorf("%s: %v\n%s", c.inject, err, out)
		}
		if _, err := os.Stat(path); (err == nil) != c.saved {
			t.Errorf("%s: the file: %v", c.inject, err)
		}
		calls := string(ok(os.ReadFile(trace)))
		if want := `(?s)fsync\(\d+<` + path + `>\).*fsync\(\d+<` + dir + `>\)`; c.inject == "" && !regexp.MustCompile(want).MatchString(calls) ||
			c.inject != "" && !strings.Contains(calls, "(INJECTED)") {
			t.Errorf("%s: the calls were\n%s", c.inject, calls)
		}
	}
}
