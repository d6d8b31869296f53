package chat_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/enigma-protocol/enigma/cmd/enigma/chat"
	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// fits checks that nothing stands beyond the edges of a terminal.
func (s *screen) fits(width, height int) {
	s.t.Helper()
	v := s.View()
	rows := strings.Split(v.Content, "\n")
	if len(rows) > height {
		s.t.Errorf("%dx%d: %d rows", width, height, len(rows))
	}
	for _, row := range rows {
		if ansi.StringWidth(row) > width {
			s.t.Errorf("%dx%d: a row of %d columns: %q", width, height, ansi.StringWidth(row), ansi.Strip(row))
		}
	}
	if c := v.Cursor; c != nil && (c.X < 0 || c.X >= width || c.Y < 0 || c.Y >= height) {
		s.t.Errorf("%dx%d: the cursor is at %d, %d", width, height, c.X, c.Y)
	}
}

func TestChat_FitsIntoEveryWindow(t *testing.T) {
	s := newScreen(t)
	s.Up()
	s.comes(s.bob, strings.Repeat("世界 and a long line, ", 12))
	s.comes(s.bob, strings.Repeat("x", 500))
	s.comes(s.bob, "👩‍👩‍👧‍👦 é\n\nthree lines")
	s.Write(strings.Repeat("mine ", 60))
	for _, prepare := range []func(){
		func() {},
		func() { s.Paste(strings.Repeat("being written 世界\n", 20)) },
		func() { s.Press(help) },
		func() { s.Press(escape); s.Write("/add nobody at all whatever") },
		func() { s.Down(mail.Unreachable("http://a.very.long.name.of.a.server.example", client.ErrProtocol)) },
		func() { s.Write("/safety") },
		func() { s.Press(pageUp) },
	} {
		prepare()
		for width := 1; width <= 130; width += 3 {
			for _, height := range []int{1, 5, 6, 7, 12, 24, 50} {
				s.Resize(width, height)
				if width >= 20 && height >= 6 {
					s.fits(width, height)
				}
			}
		}
	}
	s.Resize(19, 24)
	if s.shows(`the window is too small`); s.View().Cursor != nil {
		t.Error("there is a cursor in no line")
	}
}

func TestChat_SafetyNumberStandsInColumns(t *testing.T) {
	s := newScreen(t)
	s.Write("/safety")
	for _, width := range []int{20, 24, 30, 63, 64, 100} {
		s.Resize(width, 30)
		var groups, columns []int
		for row := range strings.Lines(s.text()) {
			if n := len(regexp.MustCompile(`\b\d{5}\b`).FindAllString(row, -1)); n > 0 {
				groups, columns = append(groups, n), append(columns, strings.IndexFunc(row, unicode.IsDigit))
			}
		}
		if slices.Min(groups) != slices.Max(groups) || slices.Min(columns) != slices.Max(columns) || len(groups)*groups[0] != 12 {
			t.Errorf("%d columns: rows of %v groups:\n%s", width, groups, s.text())
		}
	}
}

func TestChat_LosesNothingOfALongLine(t *testing.T) {
	s := newScreen(t)
	word := strings.Repeat("0123456789", 30)
	s.comes(s.bob, "look: "+word+" 世界世界 end")
	for _, width := range []int{24, 40, 63, 64, 80, 120} {
		s.Resize(width, 60)
		var all strings.Builder
		for row := range strings.Lines(s.text()) {
			if _, beside, found := strings.Cut(row, "│"); found {
				row = beside
			}
			all.WriteString(strings.Join(strings.Fields(row), ""))
		}
		for _, want := range []string{"look:", word, "世界世界", "end"} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%d columns: %q is not whole at the screen:\n%s", width, want, s.text())
			}
		}
	}
}

// hostile is what somebody writes to do more than say something.
const hostile = "\x1b]2;owned\x07\x1b[2J\x1b[31m\x9b5m\x1b]52;c;cm0=\x07\x1bP+q\x1b\\\r\b\x7f\x00\u202eevil\u2066\u200b\U000e0041"

// harmless checks that the terminal is told nothing but text and the styles of the chat itself.
func (s *screen) harmless() {
	s.t.Helper()
	v := s.View()
	for _, part := range []string{v.Content, v.WindowTitle} {
		text := part
		for { // styles only: ESC [ digits ; m
			i := strings.Index(text, "\x1b[")
			if i < 0 {
				break
			}
			n := strings.IndexFunc(text[i+2:], func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
			if n < 0 || text[i+2+n] != 'm' {
				s.t.Fatalf("the terminal is sent %q", text[i:])
			}
			text = text[:i] + text[i+3+n:]
		}
		for _, r := range text {
			if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf) && r != 0x200d) {
				s.t.Fatalf("the terminal is sent %U in %q", r, text)
			}
		}
	}
}

func TestChat_NothingThatOthersWroteReachesTheTerminalAsControl(t *testing.T) {
	s := newScreen(t)
	s.Up()
	for what, do := range map[string]func(){
		"a text":             func() { s.comes(s.bob, hostile) },
		"an unknown sender":  func() { s.Letter(&mail.Letter{From: hostile, Err: seal.ErrFormat, Payload: hostile}) },
		"a lie's sender":     func() { s.Letter(&mail.Letter{From: hostile, Err: client.ErrKeyMismatch}) },
		"the server's words": func() { s.Down(&client.Error{Text: hostile, Code: hostile}) },
		"a refusal": func() {
			s.Up()
			s.Write("x")
			s.Done(s.bob, s.Posted()[0].ID, &client.Error{Text: hostile, Code: hostile})
		},
		"what was pasted": func() { s.Paste(hostile) },
		"a command":       func() { s.Paste("/" + hostile); s.Write("") },
		"a name to be":    func() { s.Paste("/name " + strings.ReplaceAll(hostile, " ", "")); s.Write("") },
	} {
		do()
		t.Log(what)
		s.harmless()
	}
	s.shows(`evil`)
}

func TestChat_NamesInTheFileOfContactsAreTextToo(t *testing.T) {
	key := must(client.GenerateKey())
	path := filepath.Join(t.TempDir(), "contacts")
	text := must(json.Marshal([]mail.Contact{{Name: hostile, ID: key.ID(), PublicKey: key.PublicKey()}}))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, bob: key.ID()}
	s.Screen = chat.NewScreen(t, must(seal.NewSelf(must(client.GenerateKey()).Private())), must(mail.LoadBook(path)))
	s.comes(s.bob, "hello")
	s.harmless()
	s.shows(`owned`)
}
