package chat

import (
	"context"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// Screen is a model without a terminal and without a link: the test is both.
type Screen struct {
	m     *model
	on    *online
	again chan struct{}
}

// NewScreen returns the screen of a user with contacts, 80 columns by 24 rows.
func NewScreen(t *testing.T, self *seal.Self, book *mail.Book) *Screen {
	t.Helper()
	s := &Screen{again: make(chan struct{}, 1)}
	s.m = &model{self: self, book: book, ctx: context.Background(), again: s.again, styles: newStyles()}
	for _, contact := range book.Contacts {
		u, err := seal.NewUser(contact.ID, contact.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		s.m.convs = append(s.m.convs, &conv{contact: contact, user: u})
	}
	s.Resize(80, 24)
	return s
}

// Resize is the terminal's, the next five are the link's.
func (s *Screen) Resize(width, height int) {
	s.m.Update(tea.WindowSizeMsg{Width: width, Height: height})
}
func (s *Screen) Down(err error)                { s.m.Update(downMsg{err}) }
func (s *Screen) State(connected bool)          { s.m.Update(stateMsg(connected)) }
func (s *Screen) Letter(l *mail.Letter)         { s.m.Update(letterMsg{l}) }
func (s *Screen) Done(to, id string, err error) { s.m.Update(doneMsg{to, id, err}) }

// Up is a connection that takes posts.
func (s *Screen) Up() {
	s.on = &online{posts: make(chan post, 256), ended: make(chan struct{})}
	s.m.Update(upMsg{s.on})
}

// Posted returns the texts that were handed to the connection since it was last asked.
func (s *Screen) Posted() (all []*seal.Content) {
	for {
		select {
		case p := <-s.on.posts:
			all = append(all, p.content)
		default:
			return all
		}
	}
}

// Again tells whether the user wants the connection back.
func (s *Screen) Again() bool {
	select {
	case <-s.again:
		return true
	default:
		return false
	}
}

// Press presses a key and reports whether that ends the program.
func (s *Screen) Press(key tea.KeyPressMsg) bool {
	_, cmd := s.m.Update(key)
	if cmd == nil {
		return false
	}
	_, quit := cmd().(tea.QuitMsg)
	return quit
}

// Write types a line and Enter.
func (s *Screen) Write(text string) bool {
	for _, r := range text {
		s.Press(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	return s.Press(tea.KeyPressMsg{Code: tea.KeyEnter})
}

// Paste pastes.
func (s *Screen) Paste(text string) { s.m.Update(tea.PasteMsg{Content: text}) }

// View is what the terminal is sent.
func (s *Screen) View() tea.View { return s.m.View() }
