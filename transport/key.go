package transport

import (
	"bytes"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// percentDecode decodes the percent-escapes of a key, once. Nothing else has a meaning there: a plus is a plus. It
// returns false for an escape that is none.
func percentDecode(raw []byte) ([]byte, bool) {
	at := bytes.IndexByte(raw, '%')
	if at < 0 {
		return raw, true
	}
	key := append(make([]byte, 0, len(raw)), raw[:at]...)
	for i := at; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) {
				return nil, false
			}
			high, low := hexDigit(raw[i+1]), hexDigit(raw[i+2])
			if high > 15 || low > 15 {
				return nil, false
			}
			c = high<<4 | low
			i += 2
		}
		key = append(key, c)
	}
	return key, true
}

// hexDigit returns the value of a hexadecimal digit, 255 for any other byte.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// keyFromBody reads {"publicKey":"…"}. Other members are ignored; a second publicKey is refused, and so is all that
// encoding/json would silently replace in a string, because the key must be stored as it was meant.
func keyFromBody(body []byte) (key []byte, ok bool) {
	if !utf8.Valid(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, false
	}
	found := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		if name != "publicKey" {
			continue
		}
		if found {
			return nil, false
		}
		if key, found = unquote(value); !found {
			return nil, false
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	return key, found && len(bytes.TrimLeft(body[d.InputOffset():], " \t\r\n")) == 0
}

// unquote decodes a valid JSON string. It returns false for other values and for surrogates that make no pair.
func unquote(value json.RawMessage) ([]byte, bool) {
	var text string
	if json.Unmarshal(value, &text) != nil || len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	for rest := value; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return []byte(text), true
		}
		if rest[at+1] != 'u' {
			rest = rest[at+2:]
			continue
		}
		first := escapedUnit(rest[at:])
		rest = rest[at+6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		if utf16.DecodeRune(first, escapedUnit(rest)) == utf8.RuneError {
			return nil, false
		}
		rest = rest[6:]
	}
}

// escapedUnit returns the UTF-16 unit of the \u escape with which p begins, or -1.
func escapedUnit(p []byte) rune {
	if len(p) < 6 || p[0] != '\\' || p[1] != 'u' {
		return -1
	}
	var unit rune
	for _, c := range p[2:6] {
		unit = unit<<4 | rune(hexDigit(c))
	}
	return unit
}
