package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// screen is a chat in a terminal of tmux, with a server of tmux to itself.
type screen struct {
	t      *testing.T
	socket string
}

// openChat starts a chat for a user in a terminal of that size. env is NAME=VALUE, more of them.
func openChat(u *keyUser, width, height int, env ...string) *screen {
	u.t.Helper()
	return openTerminal(u.t, "chat", width, height, append([]string{"ENIGMA_SERVER=" + u.url, "ENIGMA_KEY=" + u.key}, env...)...)
}

// openTerminal starts a command in a terminal.
func openTerminal(t *testing.T, name string, width, height int, env ...string) *screen {
	t.Helper()
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	env = append([]string{"TERM=screen-256color"}, env...)
	// What follows the command shows that it has ended, with which status, and that the terminal is as before.
	command := fmt.Sprintf("stty -a >%[1]s.before; env %[2]s %[3]s %[4]s; echo ended with $?; stty -a >%[1]s.after; cat", s.socket,
		strings.Join(env, " "), enigmatest.Binary(t), name)
	s.tmux("-f", "/dev/null", "-u", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), command)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen at the end:\n%s", s.text())
		}
		s.tmux("kill-server")
	})
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// text is what the terminal shows, raw with the sequences for colours.
func (s *screen) text() string { return s.tmux("capture-pane", "-p") }
func (s *screen) raw() string  { return s.tmux("capture-pane", "-p", "-e") }

// keys presses keys by tmux's names; write types a text and presses Enter.
func (s *screen) keys(names ...string) { s.tmux(append([]string{"send-keys"}, names...)...) }
func (s *screen) write(text string) {
	s.tmux("send-keys", "-l", "--", text)
	s.keys("Enter")
}

// await waits until the terminal shows what the pattern matches.
func (s *screen) await(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // a terminal tells nobody when it changes
		text := s.text()
		if re.MatchString(text) {
			return text
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%q is not at the screen:\n%s", pattern, text)
		}
	}
}

// leave ends the chat and checks that it ends well.
func (s *screen) leave() {
	s.t.Helper()
	s.keys("C-c")
	s.await(`ended with 0`)
	if on := s.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}"); on != "0 1\n" {
		s.t.Errorf("alternate screen and cursor are %q", on)
	}
	var modes [2]string
	for i, suffix := range []string{".before", ".after"} {
		for deadline := time.Now().Add(patience); modes[i] == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			text, _ := os.ReadFile(s.socket + suffix) // stty may not have written it yet
			modes[i] = string(text)
		}
	}
	if modes[0] != modes[1] {
		s.t.Errorf("the terminal's modes were\n%sand are\n%s", modes[0], modes[1])
	}
}

func TestChat_TwoTalkAndOneIsAwayForAWhile(t *testing.T) {
	store := t.TempDir()
	s := enigmatest.Start(t, "--store", store, "--admin", "off")
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	a, b := openChat(alice, 80, 24), openChat(bob, 120, 40)
	a.await(`● connected`)
	a.await(alice.id)
	b.await(`● connected`)
	a.write("/add " + bob.id + " bob")
	a.await(`(?m)^ bob .*● connected`)
	a.write("hello Bob")
	b.await(alice.id[:8] + `… +hello Bob`)
	a.await(`you +hello Bob ✓✓`)
	b.write("/name alice")
	b.write("hello Alice, 世界")
	a.await(`bob +hello Alice, 世界`)
	b.await(`you +hello Alice, 世界 ✓✓`)
	// Both see the same safety number.
	number := func(c *screen) string {
		c.write("/safety")
		text := c.await(`Compare it`)
		c.keys("F1", "F1")
		c.await(`hello Bob`)
		return strings.Join(regexp.MustCompile(`\b\d{5}\b`).FindAllString(text, -1), " ")
	}
	if of, with := number(a), number(b); of != with || len(of) != 71 {
		t.Errorf("the safety numbers are %q and %q", of, with)
	}
	// Bob leaves, Alice writes, the server is restarted, Alice writes while it is away, Bob comes back.
	b.leave()
	a.write("are you there?")
	a.await(`are you there\? ✓ *\n`)
	s.Stop()
	a.await(`connecting`)
	a.write("and the server?")
	a.await(`and the server\? …`)
	a.keys("C-c")
	a.await(`not safe yet`)
	enigmatest.Start(t, "--store", store, "--admin", "off", "--listen", s.Addr)
	a.await(`and the server\? ✓ *\n`)
	b = openChat(bob, 80, 24)
	b.await(`(?s)alice +are you there\?.*alice +and the server\?`)
	a.await(`(?s)are you there\? ✓✓.*and the server\? ✓✓`)
	if text := b.text(); strings.Contains(text, "hello Bob") {
		t.Errorf("what was shown came again:\n%s", text)
	}
	a.leave()
	b.leave()
}

func TestChat_TalksWithSendListenAndTheGoClient(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice, script, program := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	a := openChat(alice, 80, 24)
	a.await(`● connected`)
	if got := script.ok("", "send", alice.id, "from a script", "--wait-delivered"); got != "delivered\n" {
		t.Errorf("send to the chat prints %q", got)
	}
	a.await(`from a script`)
	a.write("/name script")
	a.write("to the script")
	a.await(`to the script ✓`)
	if got := texts(t, script.ok("", "listen", "--count", "1")); !slices.Equal(got, []string{"to the script"}) {
		t.Errorf("listen prints %q", got)
	}
	a.await(`to the script ✓✓`)
	// A Go program, which nobody at the chat knows yet.
	c, err := client.DialKey(t.Context(), s.URL(""), program.load().PublicKey(), client.WithKey(program.load()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	self := must(seal.NewSelf(program.load().Private()))
	to := must(seal.NewUser(alice.id, must(client.PublicKey(t.Context(), s.URL(""), alice.id))))
	text := seal.NewText("\x1b]2;owned\x07\x1b[2J\u202eBob")
	if err := c.Send(t.Context(), alice.id, must(self.Seal(to, text)), client.WithID(text.ID)); err != nil {
		t.Fatal(err)
	}
	a.await(program.id[:8] + `… +\(1\)`)
	a.await(`script`) // the screen was not cleared
	if title := a.tmux("display-message", "-p", "#{pane_title}"); strings.Contains(title, "owned") {
		t.Errorf("the text has set the title to %q", title)
	}
	// What is not looked at has not been delivered; looking delivers it.
	a.keys("Tab")
	a.await(`\x{fffd}\]2;owned\x{fffd}\x{fffd}\[2J\x{fffd}Bob`)
	m, err := c.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if content := must(self.Open(to, m.Payload)); content.Type != seal.TypeReceipt || !slices.Contains(content.IDs, text.ID) {
		t.Errorf("the program got %v, want a receipt", content)
	}
	a.leave()
	if got := alice.ok("", "listen", "--timeout", "300ms"); got != "" {
		t.Errorf("what was shown came again: %s", got)
	}
	// The contacts of the chat have names for send.
	alice.ok("", "send", "script", "by name")
}

func TestChat_WhatNobodyLookedAtStaysOnTheServer(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice, bob, carol := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	a := openChat(alice, 40, 12)
	a.await(`● connected`)
	bob.ok("", "send", alice.id, "seen")
	a.await(`seen`)
	carol.ok("", "send", alice.id, "unseen")
	a.await(`1 more \(Tab\)`)
	a.leave()
	if got := texts(t, alice.ok("", "listen", "--timeout", "500ms")); !slices.Equal(got, []string{"unseen"}) {
		t.Errorf("there is %q left, want what was not looked at", got)
	}
}

func TestChat_RefusesAKeyThatTheServerSubstitutes(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice, bob, mallory := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	alice.url = liar(t, s, mallory)
	a := openChat(alice, 80, 24)
	a.await(`● connected`)
	a.write("/add " + bob.id + " bob")
	a.await(`(?s)REFUSED: the server returned a key that is not\s+this.*Nobody\s+was\s+added`)
	a.write("secret")
	a.await(`To whom\?`)
	bob.ok("", "send", alice.id, "hello")
	a.await(`(?s)The server returned a key for.*lies\s+or\s+is\s+broken`)
	if strings.Contains(a.text(), "hello") {
		t.Error("what a liar says who wrote it was shown")
	}
	a.leave()
	if text, err := os.ReadFile(alice.key + ".contacts"); err == nil && strings.Contains(string(text), bob.id) {
		t.Errorf("the contact was kept: %s", text)
	}
}

func TestChat_FitsEveryWindow(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	a := openChat(alice, 40, 12, "NO_COLOR=yes")
	a.await(`● connected`)
	a.write("/add " + bob.id + " bob")
	a.await(`(?m)^ bob `)
	a.write(strings.Repeat("世界 and a long line, ", 12) + "end.")
	a.write("/add nobody")
	a.await(`is no id`)
	for _, size := range [][2]int{{40, 12}, {120, 40}, {20, 6}, {10, 3}, {80, 24}, {63, 20}} {
		a.tmux("resize-window", "-x", fmt.Sprint(size[0]), "-y", fmt.Sprint(size[1]))
		wait := `(?m)^ bob .*● connected`
		if size[0] < 20 {
			wait = `enigma: th`
		}
		a.await(wait)
		rows := strings.Split(strings.TrimSuffix(a.text(), "\n"), "\n")
		for _, row := range rows {
			if len(rows) > size[1] || ansi.StringWidth(row) > size[0] {
				t.Errorf("at %v there are %d rows, one of them %q", size, len(rows), row)
			}
		}
	}
	a.tmux("resize-window", "-x", "80", "-y", "24")
	a.await(`(?s)● connected.*│`)
	a.await(`end. ✓`)
	if raw := a.raw(); regexp.MustCompile(`\x1b\[[0-9;]*(3[0-7]|9[0-7])[;m]`).MatchString(raw) {
		t.Errorf("there are colours: %q", raw)
	}
	a.keys("F1")
	a.await(`/verified`)
	a.keys("F1")
	// A signal ends it as well as a key.
	a.tmux("send-keys", "-l", "x")
	shell := strings.TrimSpace(a.tmux("display-message", "-p", "#{pane_pid}"))
	children, err := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	a.await(`ended with 0`)
	// Without a terminal it says what to use instead.
	if r := alice.run("", "chat"); r.Status != 1 || !strings.Contains(r.Stderr, "enigma send") {
		t.Errorf("without a terminal: %s", r)
	}
}
