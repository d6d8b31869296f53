package web_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// succeeds runs a command that must end with status 0, and returns what it prints.
func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	result := enigmatest.Run(t, nil, args...)
	if result.Status != 0 {
		t.Fatalf("enigma %s: %s", strings.Join(args, " "), result)
	}
	return strings.TrimSpace(result.Stdout)
}

func TestCommands_AndPageWriteToEachOther(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice := joined(t, s.URL("/"), "Alice", desktop)
	key := filepath.Join(t.TempDir(), "script.pem")
	succeeds(t, "keygen", key)
	script := succeeds(t, "id", key)
	from := []string{"--server", s.URL(""), "--key", key}

	out := succeeds(t, append([]string{"send", alice.id(), "The backup is done: 你好 <b>", "--wait-delivered"}, from...)...)
	if !strings.Contains(out, "delivered") {
		t.Errorf("send prints %q", out)
	}
	alice.choose("The backup is done")
	alice.hears("你好 <b>")
	alice.clickText("Add")

	alice.says("Thank you, script 👍")
	alice.marked("Thank you", "stored")
	var heard struct{ Type, From, Text string }
	out = succeeds(t, append([]string{"listen", "--count", "1", "--timeout", "20s"}, from...)...)
	if err := json.Unmarshal([]byte(out), &heard); err != nil || heard.Type != "text" || heard.From != alice.id() || heard.Text != "Thank you, script 👍" {
		t.Errorf("listen prints %s", out)
	}
	alice.marked("Thank you", "delivered")

	// The key that the command made is a key for the page, under the same id.
	page := newUser(t, "The script's owner", phone)
	page.open(s.URL("/"))
	page.click("#have-key")
	page.fill("#key-text", readFile(t, key))
	page.click("#use-key")
	page.connected()
	if page.id() != script {
		t.Errorf("the page makes %s of the key, keygen %s", page.id(), script)
	}
	alice.says("Are you a person now?")
	page.choose("Are you a person now?")
	alice.marked("Are you a person", "delivered")
}
