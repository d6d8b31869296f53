package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// saveEvery is how long what was shown may be missing from the file of contacts; after a crash it is shown again.
const saveEvery = time.Second

// panel is what stands in place of the conversation.
type panel int

const (
	noPanel panel = iota
	helpPanel
	safetyPanel
	mePanel
)

// model is all state of the interface. The program's loop owns it.
type model struct {
	cfg   Config
	self  *seal.Self
	book  *mail.Book
	ctx   context.Context // of look-ups
	again chan<- struct{} // see link

	on        *online // nil without an Agent
	connected bool
	reason    string // why not, if it is known

	convs   []*conv
	current int
	input   input
	panel   panel
	offset  int // of the panel's first row at the screen
	notice  string
	alarm   bool   // the notice is a warning
	trouble string // why there is no connection, if that is known; until there is one
	leaving bool   // ctrl+c was pressed while texts are not safe

	dirty         bool // contacts have changed since they were saved
	width, height int
	styles        styles
}

type (
	saveMsg  struct{}
	foundMsg struct { // the outcome of a look-up for /add
		user *seal.User
		name string
		err  error
	}
)

func (m *model) Init() tea.Cmd { return saveLater() }

func saveLater() tea.Cmd { return tea.Tick(saveEvery, func(time.Time) tea.Msg { return saveMsg{} }) }

// Update takes in a key or something that happened.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		cmd = m.key(msg)
	case tea.PasteMsg:
		m.input.insert(msg.Content)
	case upMsg:
		m.up(msg.on)
	case downMsg:
		m.down(msg.err)
	case stateMsg:
		m.connected, m.reason, m.trouble = bool(msg), "", ""
	case letterMsg:
		m.letter(msg.l)
	case doneMsg:
		m.done(msg)
	case foundMsg:
		m.found(msg)
	case saveMsg:
		m.save()
		cmd = saveLater()
	}
	m.showCurrent()
	return m, cmd
}

// cur is the conversation at the screen, nil if there is none.
func (m *model) cur() *conv {
	if m.current < len(m.convs) {
		return m.convs[m.current]
	}
	return nil
}

// showCurrent settles what is before the user's eyes.
func (m *model) showCurrent() {
	if c := m.cur(); c != nil && m.panel == noPanel && m.height > 0 && c.scroll == 0 && c.show() {
		m.dirty = true
	}
}

func (m *model) save() {
	if !m.dirty {
		return
	}
	m.dirty = false
	if err := m.book.Save(); err != nil {
		m.warn(err.Error())
	}
}

// say shows a notice until the next key, warn one that alarms.
func (m *model) say(format string, args ...any) {
	m.notice, m.alarm = mail.CleanLine(fmt.Sprintf(format, args...)), false
}

func (m *model) warn(text string) { m.notice, m.alarm = mail.CleanLine(text), true }

func (m *model) up(on *online) {
	m.on, m.connected, m.reason, m.trouble = on, true, "", ""
	for _, c := range m.convs {
		for _, e := range c.entries {
			if e.mine && e.status == waiting && !e.posted {
				m.post(c, e)
			}
		}
	}
}

func (m *model) down(err error) {
	m.on, m.connected, m.reason, m.trouble = nil, false, "", ""
	switch {
	case errors.Is(err, client.ErrReplaced):
		m.reason = "taken over"
		m.trouble = "Another program connected with your key. Ctrl+R takes over again."
	case err != nil:
		m.trouble = mail.CleanLine(words(err)) + ". Trying again."
	}
	for _, c := range m.convs {
		for _, e := range c.entries {
			e.posted = false
		}
	}
}

// words is what an error says, without the name with which those of the Go client begin.
func words(err error) string { return strings.TrimPrefix(err.Error(), "enigma: ") }

// post hands a text to the link, if it can take it now.
func (m *model) post(c *conv, e *entry) {
	if m.on == nil {
		return
	}
	select {
	case m.on.posts <- post{c.user, e.content}:
		e.posted = true
	default: // very many are waiting; the next outcome makes room
	}
}

// done takes in the outcome of a text.
func (m *model) done(msg doneMsg) {
	i := m.index(msg.to)
	if i < 0 || errors.Is(msg.err, client.ErrInFlight) {
		return
	}
	c := m.convs[i]
	if e := c.own(msg.id); e != nil && e.status == waiting {
		e.posted = false
		switch {
		case msg.err == nil:
			e.status = safe
		case refused(msg.err):
			e.status, e.err = failed, mail.CleanLine(words(mail.Explain(c.name(), msg.err)))
		}
	}
	for _, e := range c.entries { // those without an outcome, in their order
		if e.mine && e.status == waiting && !e.posted {
			m.post(c, e)
		}
	}
}

// refused tells whether an error is the server's word on a text and not the end of a connection.
func refused(err error) bool {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Code != client.ErrReplaced.Code && e.Code != client.ErrProofRequired.Code && e.Status == 0
	}
	return errors.Is(err, seal.ErrTooLong) || errors.Is(err, seal.ErrContent)
}

// letter takes in what came.
func (m *model) letter(l *mail.Letter) {
	if errors.Is(l.Err, client.ErrKeyMismatch) || errors.Is(l.Err, seal.ErrKeyMismatch) {
		m.warn("The server returned a key for " + l.From + " that is not this user's: it lies or is broken. What came was not shown.")
		l.Confirm()
		return
	}
	i := m.index(l.From)
	if l.Content == nil {
		if i >= 0 {
			m.convs[i].add(&entry{notice: true, at: time.Now(), text: "Something came that is not encrypted for you by this contact, and is not shown."})
		} else {
			m.say("Something unreadable came from %s and is not shown.", l.From)
		}
		l.Confirm()
		return
	}
	if l.Content.Type == seal.TypeReceipt {
		if i >= 0 {
			m.receipt(m.convs[i], l.Content.IDs)
		}
		l.Confirm()
		return
	}
	if i < 0 {
		if i = m.open(l); i < 0 {
			return
		}
	}
	m.convs[i].take(l)
}

// receipt marks texts as delivered.
func (m *model) receipt(c *conv, ids []string) {
	for _, id := range ids {
		if e := c.own(id); e != nil {
			e.status = delivered
		}
	}
}

// open begins a conversation with somebody who has written first.
func (m *model) open(l *mail.Letter) int {
	// The key is known: the letter could be opened with it. This looks nothing up.
	u, err := m.on.a.User(m.ctx, l.From)
	if err != nil {
		return -1 // unconfirmed: it comes again
	}
	return m.addConv(&mail.Contact{ID: u.ID(), PublicKey: u.PublicKey()}, u)
}

// addConv adds a contact that is new.
func (m *model) addConv(contact *mail.Contact, u *seal.User) int {
	m.book.Contacts = append(m.book.Contacts, contact)
	m.convs = append(m.convs, &conv{contact: contact, user: u})
	m.dirty = true
	return len(m.convs) - 1
}

// index returns the conversation with a user, -1 if there is none.
func (m *model) index(id string) int {
	return slices.IndexFunc(m.convs, func(c *conv) bool { return c.contact.ID == id })
}

// found ends /add.
func (m *model) found(msg foundMsg) {
	switch {
	case errors.Is(msg.err, mail.ErrLie):
		m.warn(msg.err.Error() + ". Nobody was added.")
		return
	case msg.err != nil:
		m.warn(words(msg.err))
		return
	}
	i := m.index(msg.user.ID())
	if i < 0 {
		i = m.addConv(&mail.Contact{ID: msg.user.ID(), PublicKey: msg.user.PublicKey()}, msg.user)
	}
	if msg.name != "" {
		m.convs[i].contact.Name = msg.name
		m.dirty = true
	}
	m.current, m.panel = i, noPanel
	m.say("The key belongs to the id. That the id is who you mean, /safety helps to check.")
}
