package chat_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/chat"
	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tab    = tea.KeyPressMsg{Code: tea.KeyTab}
	escape = tea.KeyPressMsg{Code: tea.KeyEscape}
	help   = tea.KeyPressMsg{Code: tea.KeyF1}
	pageUp = tea.KeyPressMsg{Code: tea.KeyPgUp}
	end    = tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
	redial = tea.KeyPressMsg{Code: 'r', Mod: tea.ModCtrl}
)

// screen is a chat of somebody who knows bob and carol, bob's conversation open.
type screen struct {
	*chat.Screen
	t          *testing.T
	bob, carol string // their ids
}

func newScreen(t *testing.T) *screen {
	s := &screen{t: t}
	var book mail.Book
	contact := func(name string) string {
		key := must(client.GenerateKey())
		book.Contacts = append(book.Contacts, &mail.Contact{Name: name, ID: key.ID(), PublicKey: key.PublicKey()})
		return key.ID()
	}
	s.bob, s.carol = contact("bob"), contact("carol")
	s.Screen = chat.NewScreen(t, must(seal.NewSelf(must(client.GenerateKey()).Private())), &book)
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// text is what the terminal shows, without styles.
func (s *screen) text() string { return ansi.Strip(s.View().Content) }

// shows and hides check what the terminal shows against a pattern.
func (s *screen) shows(pattern string) {
	s.t.Helper()
	if !regexp.MustCompile(pattern).MatchString(s.text()) {
		s.t.Errorf("%q is not at the screen:\n%s", pattern, s.text())
	}
}

func (s *screen) hides(pattern string) {
	s.t.Helper()
	if regexp.MustCompile(pattern).MatchString(s.text()) {
		s.t.Errorf("%q is at the screen:\n%s", pattern, s.text())
	}
}

// comes has a text come from somebody.
func (s *screen) comes(from, text string) {
	s.Letter(&mail.Letter{From: from, Content: seal.NewText(text)})
}

func TestChat_MarksHowFarATextHasCome(t *testing.T) {
	s := newScreen(t)
	s.Write("hello")
	s.shows(`you +hello … *\n`)
	s.Up()
	posted := s.Posted()
	if len(posted) != 1 || posted[0].Text != "hello" {
		t.Fatalf("posted %v, want what was written without a connection", posted)
	}
	id := posted[0].ID
	s.Done(s.bob, id, client.ErrUnknownOutcome)
	s.shows(`hello … *\n`)
	if again := s.Posted(); len(again) != 1 || again[0].ID != id {
		t.Fatalf("posted %v after an unknown outcome, want the same again", again)
	}
	s.Done(s.bob, id, nil)
	s.shows(`hello ✓ *\n`)
	s.Letter(&mail.Letter{From: s.carol, Content: seal.NewReceipt(id)})
	s.shows(`hello ✓ *\n`) // of somebody else's texts one can say nothing
	s.Letter(&mail.Letter{From: s.bob, Content: seal.NewReceipt(id)})
	s.shows(`hello ✓✓ *\n`)
	s.Write("and more")
	s.Done(s.bob, s.Posted()[0].ID, &client.Error{Code: protocol.CodeMailboxFull.String(), Text: "Mailbox full"})
	s.shows(`and more ✗ Mailbox full`)
	s.Write("who?")
	s.Done(s.bob, s.Posted()[0].ID, client.ErrUserNotFound)
	s.shows(`(?s)who\? *\n[^✗]*✗ bob has never logged in on this\s+│ +server: it has to connect once first`)
}

func TestChat_PostsAgainAfterTheConnectionInTheOrderOfWriting(t *testing.T) {
	s := newScreen(t)
	s.Up()
	for _, text := range []string{"one", "two", "three"} {
		s.Write(text)
	}
	first := s.Posted()
	s.Done(s.bob, first[0].ID, nil)
	s.Down(errors.New("the cable"))
	s.Up()
	again := s.Posted()
	if len(again) != 2 || again[0] != first[1] || again[1] != first[2] {
		t.Errorf("posted %v again, want two and three", again)
	}
}

func TestChat_CountsWhatWasNotLookedAt(t *testing.T) {
	s := newScreen(t)
	s.comes(s.carol, "first")
	s.comes(s.carol, "second")
	s.shows(`carol +\(2\)`)
	if title := s.View().WindowTitle; title != "enigma (2)" {
		t.Errorf("the window is called %q", title)
	}
	s.Resize(40, 12)
	s.shows(`bob · 2 more \(Tab\)`)
	s.Resize(80, 24)
	s.Press(help) // what comes behind a panel, or further down, has not been looked at
	s.Press(tab)
	s.shows(`carol +first[^~]*carol +second`)
	s.hides(`\(\d\)`)
	s.Press(help)
	s.comes(s.carol, "third")
	s.Press(tab)
	s.shows(`carol +\(1\)`)
	s.Press(tab)
	s.hides(`carol +\(`)
	for range 40 {
		s.comes(s.carol, "line")
	}
	s.Press(pageUp)
	s.comes(s.carol, "last")
	s.Press(tab)
	s.shows(`carol +\(1\)`)
}

func TestChat_ATextThatCameTwiceIsShownOnce(t *testing.T) {
	s := newScreen(t)
	text := seal.NewText("only once")
	for range 3 {
		s.Letter(&mail.Letter{From: s.bob, Content: text})
	}
	if n := strings.Count(s.text(), "only once"); n != 1 {
		t.Errorf("it is shown %d times", n)
	}
}

func TestChat_WarnsOfAKeyThatIsNotTheUsers(t *testing.T) {
	for _, err := range []error{client.ErrKeyMismatch, seal.ErrKeyMismatch} {
		s := newScreen(t)
		s.Letter(&mail.Letter{From: s.bob, Err: err, Payload: "secret"})
		s.shows(`(?s)The server returned a key for ` + s.bob + `.*lies or is broken`)
		s.hides(`secret`)
		if raw := s.View().Content; !strings.Contains(raw, "\x1b[1;31m") {
			t.Errorf("the warning does not stand out: %q", raw)
		}
	}
	s := newScreen(t)
	s.Letter(&mail.Letter{From: s.bob, Err: seal.ErrFormat, Payload: "garbage"})
	s.shows(`— Something came that is not encrypted for you`)
	s.hides(`garbage`)
}

func TestChat_SafetyNumberIsMarkedByHandAndBothWays(t *testing.T) {
	s := newScreen(t)
	s.Write("/safety")
	s.shows(`(?s)Safety number with bob.*(\d{5} ){3}\d{5}.*write\s+/verified`)
	s.Press(escape)
	s.Write("/verified")
	s.shows(`^ bob ✔ verified`)
	s.Write("/verified")
	s.hides(`verified`)
}

func TestChat_ShowsWhetherThereIsAConnectionAndWhyNot(t *testing.T) {
	s := newScreen(t)
	s.shows(`○ connecting… *\n`)
	s.Down(mail.Unreachable("http://chat.example", client.ErrProtocol))
	s.shows(`(?s)○ connecting….*what answers at http://chat.example is no enigma server.*Trying again`)
	s.Write("a key does not hide the reason")
	s.shows(`Trying again`)
	s.Up()
	s.shows(`● connected`)
	s.hides(`Trying again`)
	s.State(false)
	s.shows(`○ connecting…`)
	s.State(true)
	s.shows(`● connected`)
	s.Down(client.ErrReplaced)
	s.shows(`(?s)✗ taken over.*Ctrl\+R takes over again`)
	if s.Again() {
		t.Error("it connects again, against the other program, by itself")
	}
	if s.Press(redial); !s.Again() {
		t.Error("Ctrl+R does not connect again")
	}
}

func TestChat_EndsAtOnceUnlessATextWouldBeLost(t *testing.T) {
	s := newScreen(t)
	s.Up()
	s.Write("hello")
	if s.Press(end) {
		t.Fatal("it ends with a text that is not safe")
	}
	s.shows(`not safe yet`)
	s.Press(tab)
	if s.Press(end) {
		t.Error("it takes a second Ctrl+C after another key for the second in a row")
	}
	if !s.Press(end) {
		t.Error("the second Ctrl+C does not end it")
	}
	s.Done(s.bob, s.Posted()[0].ID, nil)
	if !s.Write("/quit") {
		t.Error("/quit does not end it with all texts safe")
	}
}

func TestChat_CommandsSayWhatToWrite(t *testing.T) {
	s := newScreen(t)
	for line, want := range map[string]string{
		"/saftey":     `did you mean /safety\?`,
		"/bogus":      `No command /bogus`,
		"/add":        `Write /add ID NAME`,
		"/add x":      `Not connected`,
		"/name carol": `Somebody else is called carol`,
		"/name":       `Write /name NAME`,
	} {
		s.Write(line)
		s.shows(want)
	}
	s.Write("//etc is a directory")
	s.shows(`you +/etc is a directory`)
	s.Write("/name robert")
	s.shows(`^ robert `)
	s.Done(s.bob, "", nil) // of no text of ours
	s.Write("/remove")
	s.shows(`not safe yet`)
}
