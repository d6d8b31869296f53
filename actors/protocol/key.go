package protocol

import (
	"unicode"
	"unicode/utf8"
)

// CheckKey says whether key may be a public key: CodeNone, CodeKeyTooLong over MaxKeyLength bytes, or CodeBadRequest
// if it is empty, not valid UTF-8, or has control characters (Unicode's Cc, so DEL and C1 too) other than CR, LF and TAB.
func CheckKey(key []byte) Code {
	switch {
	case len(key) > MaxKeyLength:
		return CodeKeyTooLong
	case len(key) == 0 || !utf8.Valid(key):
		return CodeBadRequest
	}
	for _, r := range string(key) {
		if unicode.IsControl(r) && r != '\r' && r != '\n' && r != '\t' {
			return CodeBadRequest
		}
	}
	return CodeNone
}
