package top

import (
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
)

// Screen is a model without a terminal; the test brings the readings.
type Screen struct{ m *model }

// NewScreen returns a screen of that size.
func NewScreen(width, height int) *Screen {
	m := newModel("127.0.0.1:9090", time.Second, func() (*admin.Reading, error) { return nil, errors.New("not asked") })
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return &Screen{m}
}

// Read is the outcome of an attempt.
func (s *Screen) Read(r *admin.Reading, err error) { s.m.Update(readMsg{r, err}) }

// Content is what the terminal is sent.
func (s *Screen) Content() string { return s.m.View().Content }

// Ends tells whether a key ends the program.
func (s *Screen) Ends(key tea.KeyPressMsg) bool {
	_, cmd := s.m.Update(key)
	if cmd == nil {
		return false
	}
	_, quit := cmd().(tea.QuitMsg)
	return quit
}

// Curve is curve.
var Curve = curve
