package chat

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/enigma-protocol/enigma/transport/client/seal"
)

const (
	wide       = 64 // columns from which the list of contacts has a place beside the conversation
	listWidth  = 20
	noticeRows = 4 // at most
	prompt     = "› "
)

// styles are colours of the terminal's own palette; without colour, weight says as much.
type styles struct{ bar, dim, good, bad, own, title, current lipgloss.Style }

func newStyles() styles {
	base := lipgloss.NewStyle()
	return styles{
		bar:     base.Reverse(true),
		dim:     base.Faint(true),
		good:    base.Foreground(lipgloss.Green),
		bad:     base.Bold(true).Foreground(lipgloss.Red),
		own:     base.Foreground(lipgloss.Cyan),
		title:   base.Bold(true),
		current: base.Bold(true).Reverse(true),
	}
}

// View draws the screen.
func (m *model) View() tea.View {
	var v tea.View
	v.AltScreen = true
	v.WindowTitle = "enigma"
	if n := m.unreadElsewhere(); n > 0 {
		v.WindowTitle = fmt.Sprintf("enigma (%d)", n)
	}
	if m.width < 20 || m.height < 6 {
		v.Content = "enigma: the window is too small"
		return v
	}
	rows := []string{m.titleRow()}
	rows = append(rows, m.bodyRows()...)
	line, at := m.input.view(m.width - ansi.StringWidth(prompt))
	rows = append(rows, m.styles.title.Render(prompt)+line)
	v.Cursor = tea.NewCursor(ansi.StringWidth(prompt)+at, len(rows)-1)
	rows = append(rows, m.footRows()...)
	v.Content = strings.Join(rows, "\n")
	return v
}

// fit makes a text exactly so wide.
func fit(text string, width int) string {
	text = ansi.Truncate(text, width, "…")
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

func (m *model) unreadElsewhere() (n int) {
	for i, c := range m.convs {
		if i != m.current {
			n += c.unread()
		}
	}
	return n
}

// titleRow says who is written to and whether there is a connection.
func (m *model) titleRow() string {
	state := "● connected"
	switch {
	case m.connected:
	case m.reason != "":
		state = "✗ " + m.reason
	default:
		state = "○ connecting…"
	}
	who := " enigma"
	if c := m.cur(); c != nil {
		who = " " + c.name()
		if c.contact.Verified {
			who += " ✔ verified"
		}
		if n := m.unreadElsewhere(); n > 0 && m.width < wide {
			who += fmt.Sprintf(" · %d more (Tab)", n)
		}
	}
	return m.styles.bar.Render(fit(who, m.width-ansi.StringWidth(state)-1) + state + " ")
}

// foot is what the last rows say: a notice, or which keys there are.
func (m *model) foot() []string {
	switch {
	case m.notice != "":
		return m.wrapped(m.notice)
	case m.panel != noPanel:
		return []string{"Esc back · PgUp PgDn scroll"}
	case m.trouble != "":
		return m.wrapped(m.trouble)
	}
	if m.width < wide {
		return []string{"F1 help · Tab next · Ctrl+C end"}
	}
	return []string{"F1 help · Tab next contact · PgUp PgDn scroll · Ctrl+C end"}
}

func (m *model) footRows() []string {
	rows := m.foot()
	style := m.styles.dim
	switch {
	case m.notice != "" && m.alarm, m.notice == "" && m.panel == noPanel && m.trouble != "":
		style = m.styles.bad
	case m.notice != "":
		style = m.styles.title
	}
	for i := range rows {
		rows[i] = style.Render(ansi.Truncate(rows[i], m.width, "…"))
	}
	return rows
}

// wrapped breaks text into rows at the foot, no more than leave one to the conversation.
func (m *model) wrapped(text string) []string {
	rows := strings.Split(ansi.Wrap(text, m.width, " "), "\n")
	return rows[:min(len(rows), noticeRows, max(1, m.height-3))]
}

// body is the number of rows between title and input.
func (m *model) body() int { return max(1, m.height-2-len(m.foot())) }

func (m *model) bodyRows() []string {
	height := m.body()
	if m.width < wide {
		return m.talkRows(m.width, height)
	}
	list := m.listRows(height)
	talk := m.talkRows(m.width-listWidth-2, height)
	for i := range talk {
		talk[i] = list[i] + m.styles.dim.Render("│") + " " + talk[i]
	}
	return talk
}

// listRows lists the contacts, the current one always among them.
func (m *model) listRows(height int) []string {
	var rows []string
	for i, c := range m.convs {
		count := ""
		if n := c.unread(); n > 0 && i != m.current {
			count = fmt.Sprintf("(%d) ", n)
		}
		row := fit(" "+c.name(), listWidth-ansi.StringWidth(count)) + count
		switch {
		case i == m.current:
			row = m.styles.current.Render(row)
		case count != "":
			row = m.styles.title.Render(row)
		}
		rows = append(rows, row)
	}
	if first := m.current - height + 1; first > 0 {
		rows = rows[first:]
	}
	for len(rows) < height {
		rows = append(rows, strings.Repeat(" ", listWidth))
	}
	return rows[:height]
}

// talkRows is the conversation, or the panel in its place.
func (m *model) talkRows(width, height int) []string {
	var rows []string
	c := m.cur()
	switch {
	case m.panel == helpPanel:
		rows = m.helpRows(width)
	case m.panel == safetyPanel && c != nil:
		rows = m.safetyRows(c, width)
	case m.panel == mePanel || c == nil:
		rows = m.welcomeRows()
	default:
		return m.entryRows(c, width, height)
	}
	rows = strings.Split(ansi.Wrap(strings.Join(rows, "\n"), width, " "), "\n")
	m.offset = min(m.offset, max(0, len(rows)-height))
	rows = rows[m.offset:]
	for len(rows) < height {
		rows = append(rows, "")
	}
	return rows[:height]
}

func (m *model) welcomeRows() []string {
	text := "Your id, for who shall write to you:\n\n" + m.self.ID() + "\n\n" +
		"To write to somebody:  /add ID NAME\n\nAll is encrypted so that only the two of you can read it. F1 helps."
	return strings.Split(text, "\n")
}

func (m *model) helpRows(width int) (rows []string) {
	for _, c := range commands {
		if width < 50 {
			rows = append(rows, "/"+c.name+" "+c.args, "  "+c.help)
		} else {
			rows = append(rows, fmt.Sprintf("%-16s %s", "/"+c.name+" "+c.args, c.help))
		}
	}
	marks := "… waiting  ✓ safe with the server  ✓✓ delivered  ✗ refused"
	keys := "Alt+Enter new line · Ctrl+N Ctrl+P contacts · PgUp PgDn scroll · Esc back"
	return append(rows, "", marks, "", keys)
}

func (m *model) safetyRows(c *conv, width int) []string {
	groups := seal.SafetyNumber(m.self.User, c.user)
	rows := []string{m.styles.title.Render(ansi.Truncate("Safety number with "+c.name(), width, "…")), ""}
	for row := range slices.Chunk(groups, max(1, min(4, (width-1)/6))) {
		rows = append(rows, "  "+strings.Join(row, " "))
	}
	text := "Compare it with theirs, face to face or by telephone. If it is the same, write /verified."
	if c.contact.Verified {
		text = "You have said that you compared it. /verified takes that back."
	}
	return append(rows, "", text, "", c.contact.ID)
}

// entryRows is the part of a conversation at which the user is.
func (m *model) entryRows(c *conv, width, height int) []string {
	var rows []string // from the end
	for _, e := range slices.Backward(c.entries) {
		rows = append(rows, m.entry(c, e, width)...)
		if len(rows) >= height+c.scroll {
			break
		}
	}
	c.scroll = min(c.scroll, max(0, len(rows)-height))
	rows = rows[c.scroll:min(len(rows), c.scroll+height)]
	for len(rows) < height {
		rows = append(rows, "")
	}
	slices.Reverse(rows)
	return rows
}

// entry draws one entry, the last row first.
func (m *model) entry(c *conv, e *entry, width int) []string {
	if e.notice {
		rows := strings.Split(ansi.Wrap("— "+e.text, width, " "), "\n")
		slices.Reverse(rows)
		for i := range rows {
			rows[i] = m.styles.dim.Render(rows[i])
		}
		return rows
	}
	column := 12
	if width < 50 {
		column = 6
	}
	who, style := c.name(), m.styles.title
	if e.mine {
		who, style = "you", m.styles.own
	}
	head := m.styles.dim.Render(e.at.Local().Format("15:04")) + " " + style.Render(fit(who, column)) + " "
	indent := strings.Repeat(" ", ansi.StringWidth(head))
	room := width - ansi.StringWidth(head)
	rows := strings.Split(ansi.Wrap(e.text, room, " "), "\n")
	if e.mine {
		mark, style := m.mark(e)
		if last := len(rows) - 1; ansi.StringWidth(rows[last]+" "+mark) <= room {
			rows[last] += " " + style.Render(mark)
		} else {
			for row := range strings.SplitSeq(ansi.Wrap(mark, room, " "), "\n") {
				rows = append(rows, style.Render(row))
			}
		}
	}
	for i := range rows {
		if i == 0 {
			rows[i] = head + rows[i]
		} else {
			rows[i] = indent + rows[i]
		}
		rows[i] = ansi.Truncate(rows[i], width, "…")
	}
	slices.Reverse(rows)
	return rows
}

// mark says how far a text has come, and how that looks.
func (m *model) mark(e *entry) (string, lipgloss.Style) {
	switch e.status {
	case safe:
		return "✓", m.styles.dim
	case delivered:
		return "✓✓", m.styles.good
	case failed:
		return "✗ " + e.err, m.styles.bad
	}
	return "…", m.styles.dim
}
