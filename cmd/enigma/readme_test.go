package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// readmeAddress is where the README's reader has the server.
const readmeAddress = "127.0.0.1:8080"

// TestReadme_DoesWhatItSays types what the README's console blocks show, in order, against one server. A line "$ curl …"
// is run by a shell; "$ npx wscat -c URL" opens a terminal for the user in the URL, in which "> TEXT" is sent and
// "< TEXT" must come. A block that begins with "< " goes on in the terminal of the user who is addressed.
func TestReadme_DoesWhatItSays(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := enigmatest.Start(t)
	terminals := make(map[string]*enigmatest.User)
	commands := 0
	for _, block := range consoleBlocks(strings.ReplaceAll(string(text), readmeAddress, s.Addr)) {
		var current *enigmatest.User
		for i := 0; i < len(block); i++ {
			mark, rest, _ := strings.Cut(block[i], " ")
			switch {
			case mark == "$" && strings.HasPrefix(rest, "curl "):
				i++
				expectOutput(t, rest, block[i])
			case mark == "$" && strings.HasPrefix(rest, "npx wscat -c ws://"+s.Addr+"/ws/"):
				id := rest[strings.LastIndex(rest, "/")+1:]
				current = s.Connect(id)
				terminals[id] = current
			case mark == ">":
				if err := current.SendText(rest); err != nil {
					t.Fatal(err)
				}
			case mark == "<":
				if current == nil {
					current = terminals[addressee(t, rest)]
				}
				if got := current.Expect().Raw; !sameJSON(t, got, rest) {
					t.Errorf("got  %s\nwant %s", got, rest)
				}
			default:
				t.Fatalf("a line of the README this test does not understand: %q", block[i])
			}
			commands++
		}
	}
	if commands < 8 {
		t.Errorf("the README shows %d commands and answers only", commands)
	}
}

// TestGreeting_IsWhatANewcomerTypes runs the commands that serve prints.
func TestGreeting_IsWhatANewcomerTypes(t *testing.T) {
	s := enigmatest.Start(t)
	lines := strings.Split(s.Output(), "\n")
	if want := "listening on http://" + s.Addr; lines[0] != want {
		t.Errorf("the first line is %q, want %q", lines[0], want)
	}
	var users []*enigmatest.User
	for _, line := range lines {
		command := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(command, "curl "):
			if out, err := exec.Command("sh", "-c", command+" -sSf").CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
		case strings.HasPrefix(command, "npx wscat -c ws://"):
			users = append(users, s.Connect(command[strings.LastIndex(command, "/")+1:]))
		case strings.HasPrefix(command, "{"):
			if err := users[len(users)-1].SendText(command); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(users) != 2 {
		t.Fatalf("%d users connect, want Alice and Bob:\n%s", len(users), s.Output())
	}
	expectMessage(t, users[1], users[0].ID, "hello")
}

func TestGreeting_OffersNoTextAsAKeyWhereKeysMustBeProved(t *testing.T) {
	s := enigmatest.Start(t, "--auth", "require")
	if text := s.Output(); strings.Contains(text, "curl http://"+s.Addr) || !strings.Contains(text, "enigma chat --server http://"+s.Addr) {
		t.Errorf("the greeting is\n%s", text)
	}
}

// consoleBlocks returns the lines of each ```console block.
func consoleBlocks(text string) (blocks [][]string) {
	for _, part := range strings.Split(text, "```console\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, strings.Split(block, "\n"))
	}
	return blocks
}

// expectOutput runs a command and compares its output, which is JSON.
func expectOutput(t *testing.T, command, want string) {
	t.Helper()
	out, err := exec.Command("sh", "-c", command+" -sS").Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if !sameJSON(t, string(out), want) {
		t.Errorf("%s\ngot  %s\nwant %s", command, out, want)
	}
}

// addressee returns the recipient in a message.
func addressee(t *testing.T, message string) string {
	t.Helper()
	var m struct{ To string }
	if err := json.Unmarshal([]byte(message), &m); err != nil {
		t.Fatalf("%s: %v", message, err)
	}
	return m.To
}

// sameJSON compares two JSON texts by what they say.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}
