package chat

import (
	"strings"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// key carries out a key.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	if name != "ctrl+c" {
		m.notice, m.leaving = "", false
	}
	switch name {
	case "ctrl+c", "ctrl+d":
		return m.quit()
	case "enter":
		return m.enter()
	case "esc":
		m.panel = noPanel
	case "f1":
		m.toggle(helpPanel)
	case "ctrl+n", "alt+down", "tab":
		m.turn(1)
	case "ctrl+p", "alt+up", "shift+tab":
		m.turn(-1)
	case "pgup":
		m.scroll(m.body() - 1)
	case "pgdown":
		m.scroll(1 - m.body())
	case "ctrl+r":
		m.reconnect()
	default:
		if !m.input.key(msg) && msg.Mod == tea.ModAlt && unicode.IsPrint(msg.Code) {
			// Escape and a character right after it look like this; the character must not be lost, least of all a slash.
			m.panel = noPanel
			m.input.insert(string(msg.Code))
		}
	}
	return nil
}

// quit ends the program, at the second key if texts are not safe yet.
func (m *model) quit() tea.Cmd {
	pending := 0
	for _, c := range m.convs {
		pending += c.pending()
	}
	if pending == 0 || m.leaving {
		return tea.Quit
	}
	m.leaving = true
	m.warn("A text of yours is not safe yet and would be lost. Ctrl+C again ends all the same.")
	return nil
}

// turn goes to another conversation.
func (m *model) turn(by int) {
	m.panel = noPanel
	if n := len(m.convs); n > 0 {
		m.current = (m.current + by + n) % n
		m.convs[m.current].scroll = 0
	}
}

// scroll moves by lines, up if they are above zero. The View bounds it.
func (m *model) scroll(lines int) {
	if m.panel != noPanel {
		m.offset = max(0, m.offset-lines)
	} else if c := m.cur(); c != nil {
		c.scroll = max(0, c.scroll+lines)
	}
}

func (m *model) toggle(p panel) {
	if m.panel == p {
		p = noPanel
	}
	m.panel, m.offset = p, 0
}

func (m *model) reconnect() {
	select {
	case m.again <- struct{}{}:
	default:
	}
}

// enter sends the text that was written, or carries out a command.
func (m *model) enter() tea.Cmd {
	text := strings.TrimRight(m.input.String(), " \n")
	if text == "" {
		m.panel = noPanel
		return nil
	}
	if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
		m.input.clear()
		return m.command(text)
	}
	c := m.cur()
	if c == nil {
		m.say("To whom? Add somebody first: /add ID NAME")
		return nil
	}
	text = strings.TrimPrefix(text, "/") // of "//", which stands for a text that begins with one
	content := seal.NewText(text)
	if content.Check() != nil {
		m.warn("This is too long for one text.")
		return nil
	}
	m.input.clear()
	m.panel = noPanel
	e := &entry{mine: true, at: time.Now(), text: text, content: content}
	c.add(e)
	c.scroll = 0
	m.post(c, e)
	return nil
}

// commands are the words that may follow a slash, with what the help says.
var commands = []struct{ name, args, help string }{
	{"add", "ID [NAME]", "write to somebody; the key is checked"},
	{"name", "NAME", "call this contact so"},
	{"safety", "", "the safety number to compare"},
	{"verified", "", "you have compared it (or not)"},
	{"remove", "", "forget this contact"},
	{"me", "", "your own id"},
	{"help", "", "this list"},
	{"quit", "", "end"},
}

// command carries out a line that begins with a slash.
func (m *model) command(line string) tea.Cmd {
	name, rest, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	args := strings.Fields(rest)
	switch name {
	case "add":
		return m.addCommand(args)
	case "help":
		m.toggle(helpPanel)
		return nil
	case "me":
		m.toggle(mePanel)
		return nil
	case "quit":
		return m.quit()
	}
	c := m.cur()
	if c == nil && (name == "name" || name == "safety" || name == "verified" || name == "remove") {
		m.say("There is nobody here yet: /add ID NAME")
		return nil
	}
	switch name {
	case "name":
		if len(args) != 1 {
			m.say("Write /name NAME")
		} else if m.nameFree(args[0], c.contact.ID) {
			c.contact.Name, m.dirty = args[0], true
		}
	case "safety":
		m.toggle(safetyPanel)
	case "verified":
		c.contact.Verified, m.dirty = !c.contact.Verified, true
	case "remove":
		m.remove(c)
	default:
		var names []string
		for _, known := range commands {
			names = append(names, known.name)
		}
		if near := settings.Nearest(name, names); near != "" {
			m.say("No command /%s: did you mean /%s?", name, near)
		} else {
			m.say("No command /%s: F1 lists them. A text that begins with a slash is written with two.", name)
		}
	}
	return nil
}

// nameFree tells whether a name can be given to the contact of an id, and says why if not.
func (m *model) nameFree(name, id string) bool {
	if err := mail.CheckName(name); err != nil {
		m.say("%s.", err)
		return false
	}
	if other := m.book.Find(name); other != nil && other.ID != id {
		m.say("Somebody else is called %s.", name)
		return false
	}
	return true
}

// addCommand looks a user up. It is the one command that waits for the server.
func (m *model) addCommand(args []string) tea.Cmd {
	name := ""
	switch {
	case len(args) == 0 || len(args) > 2:
		m.say("Write /add ID NAME")
		return nil
	case len(args) == 2:
		if name = args[1]; !m.nameFree(name, args[0]) {
			return nil
		}
	}
	on, ctx := m.on, m.ctx
	if on == nil {
		m.say("Not connected: the server has to be asked for the key.")
		return nil
	}
	m.say("Looking for %s", args[0])
	return func() tea.Msg {
		u, err := on.a.Find(ctx, nil, args[0])
		return foundMsg{u, name, err}
	}
}

// remove forgets a contact. What it writes later opens a new conversation.
func (m *model) remove(c *conv) {
	if c.pending() > 0 {
		m.say("A text to %s is not safe yet.", c.name())
		return
	}
	for i := range m.convs {
		if m.convs[i] == c {
			m.convs = append(m.convs[:i], m.convs[i+1:]...)
			m.book.Contacts = append(m.book.Contacts[:i], m.book.Contacts[i+1:]...) // in the same order
			break
		}
	}
	m.current, m.dirty = max(0, min(m.current, len(m.convs)-1)), true
}
