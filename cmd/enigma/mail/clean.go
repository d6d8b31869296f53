package mail

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks bounds the combining marks on one character: more are there to write over other lines.
const maxMarks = 6

// Clean returns text as it may be written to a terminal: without control characters, which begin the sequences that move
// the cursor, change colours, set the clipboard or answer in the user's name; without the characters that turn the
// direction of what follows or cannot be seen; and with few marks on each character. Line feeds stay, tabs become spaces,
// all else that is left out becomes U+FFFD, so that it shows.
func Clean(text string) string {
	var out strings.Builder
	marks := 0
	for _, r := range strings.ReplaceAll(text, "\r\n", "\n") {
		switch {
		case r == '\n':
			marks = 0
			out.WriteRune(r)
		case r == '\t':
			marks = 0
			out.WriteString("    ")
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks <= maxMarks {
				out.WriteRune(r)
			}
		case visible(r):
			marks = 0
			out.WriteRune(r)
		default:
			marks = 0
			out.WriteRune(unicode.ReplacementChar)
		}
	}
	return out.String()
}

// CleanLine is Clean for what must stay on one line.
func CleanLine(text string) string {
	return strings.ReplaceAll(Clean(text), "\n", " ")
}

// visible tells whether a character shows itself and changes nothing else. Joiners, without which emoji and several
// scripts fall apart, count as visible.
func visible(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = 0x200c, 0x200d
	switch {
	case r == zeroWidthNonJoiner || r == zeroWidthJoiner:
		return true
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
		return false
	}
	return unicode.IsGraphic(r)
}

// AppendJSON appends v as JSON on one line. What a terminal might take for more than text stands there escaped, which
// changes nothing of what the JSON says. v must be such that it can be marshalled.
func AppendJSON(dst []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is a struct of strings and numbers of this package
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case visible(r) || unicode.In(r, unicode.Mn, unicode.Me):
			dst = append(dst, text[:size]...)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[size:]
	}
	return append(dst, '\n')
}
