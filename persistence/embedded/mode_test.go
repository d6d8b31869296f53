//go:build unix

package embedded_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/persistence/embedded"
)

// A directory that the store makes is for its owner only; one that is there already and is not, is told of.
func TestOpen_WarnsOfADirectoryThatOthersMayRead(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0: false, 0o700: false, 0o750: true, 0o705: true, 0o711: true} {
		dir := filepath.Join(t.TempDir(), "store")
		if mode != 0 {
			if err := os.Mkdir(dir, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, mode); err != nil { // whatever the umask is
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		s := open(t, dir, embedded.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "chmod 700"); got != warns {
			t.Errorf("%v: %q", mode, log.String())
		}
		if info, err := os.Stat(dir); err != nil || mode == 0 && info.Mode().Perm() != 0o700 {
			t.Errorf("%v: %v, %v", mode, info.Mode(), err)
		}
	}
}
