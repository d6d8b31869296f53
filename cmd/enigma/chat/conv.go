package chat

import (
	"slices"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// maxEntries bounds what is kept of a conversation.
const maxEntries = 2000

// status is how far a text of the user's own has come.
type status int

const (
	waiting   status = iota // not known to be safe
	safe                    // the server has it, or its recipient
	delivered               // the recipient's program has shown it
	failed                  // refused; err says why
)

// entry is one line, or several, of a conversation.
type entry struct {
	mine, notice bool // else the other's
	at           time.Time
	text         string // clean
	content      *seal.Content
	status       status
	posted       bool // waiting, and in the hands of the link
	err          string
	letter       *mail.Letter // of the other's, until it is shown
}

// conv is a conversation with one contact.
type conv struct {
	contact *mail.Contact
	user    *seal.User
	entries []*entry
	scroll  int // lines from the end
}

// short is how much of an id stands for a contact without a name.
const short = 8

// name is what the contact is called.
func (c *conv) name() string {
	if c.contact.Name != "" {
		return c.contact.Name
	}
	return c.contact.ID[:short] + "…"
}

// unread counts what has not been shown.
func (c *conv) unread() (n int) {
	for _, e := range c.entries {
		if e.letter != nil {
			n++
		}
	}
	return n
}

// pending counts the user's texts that are not known to be safe.
func (c *conv) pending() (n int) {
	for _, e := range c.entries {
		if e.mine && e.status == waiting {
			n++
		}
	}
	return n
}

func (c *conv) add(e *entry) {
	c.entries = append(c.entries, e)
	if len(c.entries) > maxEntries && c.entries[0].letter == nil && (!c.entries[0].mine || c.entries[0].status != waiting) {
		c.entries = c.entries[1:]
	}
}

// take takes a text in. One that is there already, and came again after a reconnect, is dealt with.
func (c *conv) take(l *mail.Letter) {
	for _, e := range c.entries {
		if !e.mine && e.content != nil && e.content.ID == l.Content.ID {
			if e.letter == nil {
				l.Confirm()
			} else {
				e.letter = l
			}
			return
		}
	}
	c.add(&entry{at: l.Content.Time, text: mail.Clean(l.Content.Text), content: l.Content, letter: l})
}

// show marks everything as shown and tells the server and the sender. It reports whether there was something.
func (c *conv) show() bool {
	any := false
	for _, e := range c.entries {
		if e.letter == nil {
			continue
		}
		e.letter.Confirm()
		e.letter = nil
		any = true
		c.contact.Seen = append(c.contact.Seen, e.content.ID)
	}
	if over := len(c.contact.Seen) - mail.SeenTexts; over > 0 {
		c.contact.Seen = slices.Delete(c.contact.Seen, 0, over)
	}
	return any
}

// mine returns the user's own text of an id.
func (c *conv) own(id string) *entry {
	for _, e := range slices.Backward(c.entries) {
		if e.mine && e.content.ID == id {
			return e
		}
	}
	return nil
}
