package protocol_test

import (
	"encoding/json"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// What Escape writes is read as the same text, by package json as by Unescape, and only what JSON wants escaped is.
func TestEscape_IsReadAsTheSameText(t *testing.T) {
	control := make([]byte, 0x20)
	for c := range control {
		control[c] = byte(c)
	}
	for _, text := range []string{"", "plain", `"`, `\`, `a"b\c`, "two\nlines\r\n\ttab", "<&>\u2028\x7f", "ö€𝄞", string(control), "end\\"} {
		raw := protocol.Escape([]byte{'"'}, text)
		var read string
		if err := json.Unmarshal(append(raw, '"'), &read); err != nil || read != text {
			t.Errorf("%q is read as %q, %v, from %s", text, read, err, raw)
		}
		if again := protocol.Unescape(nil, raw[1:]); string(again) != text {
			t.Errorf("%q is read as %q from %s", text, again, raw)
		}
		if bytes := protocol.Escape(nil, []byte(text)); string(bytes) != string(raw[1:]) {
			t.Errorf("%q becomes %s as bytes, %s as string", text, bytes, raw[1:])
		}
	}
	// A key has no other control characters, so its answer is at most twice as long.
	for text, want := range map[string]string{"<&>/\u2028": "<&>/\u2028", "\"\\\n\r\t": `\"\\\n\r\t`} {
		if raw := protocol.Escape(nil, text); string(raw) != want {
			t.Errorf("%q becomes %s, want %s", text, raw, want)
		}
	}
}
