package protocol

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Constants for looking at eight bytes of a string at once.
const (
	wordLen = 8

	ones    = 0x0101010101010101
	tops    = 0x80 * ones // the top bit of each byte
	quotes  = '"' * ones
	slashes = '\\' * ones
	spaces  = ' ' * ones // what is below a space is a control character
)

// stops returns a word whose lowest set bit is in the first byte of w that ends a run of ordinary characters: a quote,
// a backslash or a control character. It is zero if there is none. (A subtraction sets the top bit of a byte below its
// subtrahend. The borrow may set bits further up as well, which is why only the lowest counts.)
func stops(w uint64) uint64 {
	return (((w ^ quotes) - ones) | ((w ^ slashes) - ones) | (w - spaces)) &^ w & tops
}

// str reads a string from behind its opening quote and returns the index of the closing one.
func (s *scanner) str(i int) int {
	frame, high := s.frame, uint64(0)
	for uint(i) < uint(len(frame)) {
		w, rest := uint64(0), frame[i:]
		if len(rest) >= wordLen {
			w = binary.LittleEndian.Uint64(rest)
		} else {
			// The zeros that fill the last word stop the search behind the frame.
			w = binary.LittleEndian.Uint64(frame[len(frame)-wordLen:]) >> (8 * (wordLen - len(rest)))
		}
		high |= w
		stop := stops(w)
		if stop == 0 {
			i += wordLen
			continue
		}
		i += bits.TrailingZeros64(stop) / 8
		switch s.at(i) {
		case '"':
			s.high |= high
			return i
		case '\\':
			s.escaped = true
			i = s.escape(i)
		default:
			return failed
		}
	}
	return failed
}

// escape reads an escape sequence.
func (s *scanner) escape(i int) int {
	switch s.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, ok := unit(s.frame[i:]); ok {
			return i + unitLen
		}
	}
	return failed
}

// unitLen is the length of an escape like \u0041, which is one UTF-16 code unit.
const unitLen = 6

// unit decodes such an escape at the start of raw. It may be half of a surrogate pair.
func unit(raw []byte) (rune, bool) {
	if len(raw) < unitLen || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range raw[2:unitLen] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// escaped decodes the escape sequence at the start of raw, both halves of a surrogate pair at once, and returns its
// length. A backslash that begins none stands for itself.
func escaped(raw []byte) (rune, int) {
	if r, ok := unit(raw); ok {
		if low, ok := unit(raw[unitLen:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 2 * unitLen
			}
		}
		return r, unitLen
	}
	if len(raw) >= 2 {
		const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		for k := range from {
			if from[k] == raw[1] {
				return rune(to[k]), 2
			}
		}
	}
	return '\\', 1
}

// Unescape appends the string that raw, the content of a JSON string, stands for. Half a surrogate pair becomes the
// three bytes that UTF-8 would give it, which is not valid UTF-8 but keeps different strings different.
func Unescape(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		r, n := escaped(raw[i:])
		dst = append(dst, raw[:i]...)
		if utf16.IsSurrogate(r) {
			dst = append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		raw = raw[i+n:]
	}
}

// Escape appends text, valid UTF-8, as the content of a JSON string, with as few escapes as JSON allows: escaped bytes count
// against limits, and package json escapes what only markup needs too, so that a short text may become six times as long.
func Escape[T string | []byte](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
	done := 0 // of text
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, text[done:]...)
}

// EchoTo cuts to, the content of a JSON string, to what an error repeats of it: at most MaxEcho bytes, and no
// character and no escape sequence cut in two. nil stays nil.
func EchoTo(to []byte) []byte {
	if len(to) <= MaxEcho {
		return to
	}
	end := 0
	for {
		n := 1
		if to[end] == '\\' {
			_, n = escaped(to[end:])
		} else if to[end] >= utf8.RuneSelf {
			_, n = utf8.DecodeRune(to[end:])
		}
		if end+n > MaxEcho {
			return to[:end:end]
		}
		end += n
	}
}
