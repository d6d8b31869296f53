package web_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// terminal is `enigma chat` in a terminal of tmux, with a server of tmux to itself.
type terminal struct {
	t      *testing.T
	socket string
}

func openTerminal(t *testing.T, s *enigmatest.Server, key string) *terminal {
	t.Helper()
	term := &terminal{t, filepath.Join(t.TempDir(), "tmux")}
	command := fmt.Sprintf("ENIGMA_SERVER=%s ENIGMA_KEY=%s %s chat", s.URL(""), key, enigmatest.Binary(t))
	term.tmux("-f", "/dev/null", "-u", "new-session", "-d", "-x", "100", "-y", "30", command)
	t.Cleanup(func() { term.tmux("kill-server") })
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// write types a line.
func (term *terminal) write(text string) {
	term.t.Helper()
	term.tmux("send-keys", "-l", "--", text)
	term.tmux("send-keys", "Enter")
}

// shows waits for a line with all the parts in it.
func (term *terminal) shows(parts ...string) {
	term.t.Helper()
	eventually(term.t, func() bool {
		for line := range strings.Lines(term.tmux("capture-pane", "-p")) {
			all := true
			for _, part := range parts {
				all = all && strings.Contains(line, part)
			}
			if all {
				return true
			}
		}
		return false
	})
}

func TestTerminal_AndPageTalkBothWays(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice := joined(t, s.URL("/"), "Alice", desktop)
	key := filepath.Join(t.TempDir(), "key.pem")
	succeeds(t, "keygen", key)
	bob := openTerminal(t, s, key)
	bob.shows("connected")
	bob.write("/add " + alice.id() + " alice")
	bob.shows(" alice ", "connected")
	bob.write("hello from a terminal, 世界")
	alice.choose("hello from a terminal")
	bob.shows("hello from a terminal", "✓✓")
	alice.clickText("Add")
	alice.says("hello from a page 👋")
	bob.shows("hello from a page")
	alice.marked("hello from a page", "delivered")
}
