package chat

import (
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
)

// input is the line being written. Line feeds in it are shown as a sign.
type input struct {
	text   []rune
	cursor int // in runes
}

func (in *input) String() string { return string(in.text) }

func (in *input) clear() { in.text, in.cursor = nil, 0 }

func (in *input) insert(text string) {
	more := []rune(mail.Clean(text))
	in.text = append(in.text[:in.cursor:in.cursor], append(more, in.text[in.cursor:]...)...)
	in.cursor += len(more)
}

// cut removes from the cursor to another place.
func (in *input) cut(to int) {
	from := in.cursor
	if to < from {
		from, to = to, from
	}
	in.text = append(in.text[:from:from], in.text[to:]...)
	in.cursor = from
}

// left and right are the places beside the cursor; a character with its marks and joiners is one.
func (in *input) left() int {
	at := in.cursor - 1
	for at > 0 && joined(in.text[at-1], in.text[at]) {
		at--
	}
	return max(at, 0)
}

func (in *input) right() int {
	at := in.cursor + 1
	for at < len(in.text) && joined(in.text[at-1], in.text[at]) {
		at++
	}
	return min(at, len(in.text))
}

func joined(before, r rune) bool {
	const joiner = 0x200d
	return unicode.In(r, unicode.Mn, unicode.Me) || r == joiner || before == joiner
}

// word is the place before the word at the left.
func (in *input) word() int {
	at := in.cursor
	for at > 0 && unicode.IsSpace(in.text[at-1]) {
		at--
	}
	for at > 0 && !unicode.IsSpace(in.text[at-1]) {
		at--
	}
	return at
}

// key applies a key and reports whether it was one for writing.
func (in *input) key(msg tea.KeyPressMsg) bool {
	switch msg.String() {
	case "left", "ctrl+b":
		in.cursor = in.left()
	case "right", "ctrl+f":
		in.cursor = in.right()
	case "home", "ctrl+a":
		in.cursor = 0
	case "end", "ctrl+e":
		in.cursor = len(in.text)
	case "backspace", "ctrl+h":
		in.cut(in.left())
	case "delete":
		in.cut(in.right())
	case "ctrl+w", "alt+backspace":
		in.cut(in.word())
	case "ctrl+u":
		in.cut(0)
	case "ctrl+k":
		in.cut(len(in.text))
	case "ctrl+j", "alt+enter", "shift+enter":
		in.insert("\n")
	default:
		if msg.Text == "" || msg.Mod&(tea.ModCtrl|tea.ModAlt) != 0 {
			return false
		}
		in.insert(msg.Text)
	}
	return true
}

// view returns what fits into width cells, and where in it the cursor is.
func (in *input) view(width int) (string, int) {
	sign := func(text []rune) string { return strings.ReplaceAll(string(text), "\n", "⏎") }
	before := sign(in.text[:in.cursor])
	at := ansi.StringWidth(before)
	for all, skip := before, at-width+1; at >= width; skip++ { // more than once where a wide character would be cut
		before = ansi.TruncateLeft(all, skip, "")
		at = ansi.StringWidth(before)
	}
	return ansi.Truncate(before+sign(in.text[in.cursor:]), width, ""), at
}
