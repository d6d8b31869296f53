package top

import (
	"fmt"
	"math"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
)

const (
	nameWidth  = 17
	valueWidth = 12
	// maxPast bounds what is kept for the curves: more than a screen is wide.
	maxPast = 512
)

// model is all state of the screen. The program's loop owns it.
type model struct {
	where    string
	interval time.Duration
	fetch    func() (*admin.Reading, error)

	last    *admin.Reading // nil before the first
	trouble error          // why the last attempt brought none
	past    [][]float64    // of each row
	version string

	width, height int
}

func newModel(where string, interval time.Duration, fetch func() (*admin.Reading, error)) *model {
	return &model{where: where, interval: interval, fetch: fetch, past: make([][]float64, len(rows))}
}

// readMsg is the outcome of an attempt.
type readMsg struct {
	r   *admin.Reading
	err error
}

type againMsg struct{}

func (m *model) Init() tea.Cmd { return m.read }

func (m *model) read() tea.Msg {
	r, err := m.fetch()
	return readMsg{r, err}
}

// Update takes in a key or a reading.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c", "ctrl+d":
			return m, tea.Quit
		}
	case readMsg:
		m.take(msg)
		return m, tea.Tick(m.interval, func(time.Time) tea.Msg { return againMsg{} })
	case againMsg:
		return m, m.read
	}
	return m, nil
}

// take adds to the curves; where there is no reading they have a gap.
func (m *model) take(msg readMsg) {
	m.trouble = msg.err
	if msg.err == nil && len(msg.r.Versions) > 0 {
		m.version = mail.CleanLine(msg.r.Versions[0])
	}
	before := m.last
	if msg.err == nil {
		m.last = msg.r
	}
	if before == nil {
		return
	}
	for i, r := range rows {
		v := math.NaN()
		if msg.err == nil {
			v = r.of(newSpan(before, msg.r))
		}
		m.past[i] = append(m.past[i], v)
		if over := len(m.past[i]) - maxPast; over > 0 {
			m.past[i] = append(m.past[i][:0], m.past[i][over:]...)
		}
	}
}

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.View{AltScreen: true, WindowTitle: "enigma top"}
	lines := []string{m.title(), ""}
	switch {
	case m.last == nil && m.trouble == nil:
		lines = append(lines, "Waiting for the first reading.")
	case m.last != nil && len(m.past[0]) == 0 && m.trouble == nil:
		lines = append(lines, "Waiting for the second reading.")
	}
	for i, r := range rows {
		if len(m.past[i]) > 0 && len(lines) < m.height-2 {
			lines = append(lines, m.line(r, m.past[i]))
		}
	}
	foot := lipgloss.NewStyle().Faint(true).Render(ansi.Truncate("q ends", m.width, "…"))
	if m.trouble != nil {
		text := mail.CleanLine(m.trouble.Error()) + ". Asking again."
		foot = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red).Render(ansi.Truncate(text, m.width, "…"))
	}
	v.Content = strings.Join(append(lines, "", foot), "\n")
	return v
}

// title says which server it is and how long it has been running.
func (m *model) title() string {
	left := " enigma " + m.where
	if m.version != "" {
		left += " · " + m.version
	}
	if start := m.since(); start > 0 {
		left += " · up " + start.String()
	}
	right := "● live "
	switch {
	case m.trouble != nil:
		right = "✗ no answer "
	case m.last != nil && m.last.Values["enigma_store_up"] == 0:
		right = "✗ store down "
	}
	room := max(0, m.width-ansi.StringWidth(right))
	left = ansi.Truncate(left, room, "…")
	text := left + strings.Repeat(" ", max(0, room-ansi.StringWidth(left))) + right
	return lipgloss.NewStyle().Reverse(true).Render(ansi.Truncate(text, m.width, ""))
}

func (m *model) since() time.Duration {
	if m.last == nil || m.last.Values["process_start_time_seconds"] == 0 {
		return 0
	}
	return time.Duration(m.last.Time-m.last.Values["process_start_time_seconds"]) * time.Second
}

// line is a row: its name, what it is now, what it was.
func (m *model) line(r row, past []float64) string {
	now := r.text(past[len(past)-1])
	if math.IsNaN(past[len(past)-1]) {
		now = nothing
	}
	value := strings.Repeat(" ", max(0, valueWidth-ansi.StringWidth(now))) + lipgloss.NewStyle().Bold(true).Render(now)
	line := fmt.Sprintf(" %-*s%s", nameWidth, r.name, value)
	if room := m.width - ansi.StringWidth(line) - 3; room > 0 {
		line += "  " + lipgloss.NewStyle().Foreground(lipgloss.Cyan).Render(curve(past, room))
	}
	return ansi.Truncate(line, m.width, "…")
}
