package mail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
)

func TestClean_LeavesNothingThatATerminalObeys(t *testing.T) {
	for in, want := range map[string]string{
		"plain, Zoë, 世界, עברית":                                "plain, Zoë, 世界, עברית",
		"two\nlines\r\nand a\ttab":                             "two\nlines\nand a    tab",
		"\x1b[31mred\x1b[0m":                                   "\ufffd[31mred\ufffd[0m",
		"\x1b]52;c;aGk=\x07":                                   "\ufffd]52;c;aGk=\ufffd",
		"\u009b31m":                                            "\ufffd31m",
		"over\rwritten\b\x7f":                                  "over\ufffdwritten\ufffd\ufffd",
		"\u202egnp.exe\u202c \u2067x":                          "\ufffdgnp.exe\ufffd \ufffdx",
		"\u200e\u200f\u061c\u200b\ufeff\u2060\u00ad\U000e0041": strings.Repeat("\ufffd", 8),
		"\ue000 \ufdd0 \u2028":                                 "\ufffd \ufffd \ufffd",
		"👩‍👩‍👧 ❤️":                                             "👩‍👩‍👧 ❤️",
		"Z" + strings.Repeat("\u0301", 50):                     "Z" + strings.Repeat("\u0301", 6),
		"\xff\xfe":                                             "\ufffd\ufffd",
		"":                                                     "",
	} {
		if got := mail.Clean(in); got != want {
			t.Errorf("%q has become %q, want %q", in, got, want)
		}
	}
	if got := mail.CleanLine("a\nb\r\n"); got != "a b " {
		t.Errorf("on one line it is %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31m\u202e👩‍👩‍👧\r\n\t\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, out := range []string{mail.Clean(text), string(mail.AppendJSON(nil, []string{text}))} {
			for _, r := range out {
				if r != '\n' && r != 0x200c && r != 0x200d && !unicode.IsGraphic(r) {
					t.Errorf("%U is in %q", r, out)
				}
			}
		}
		var back []string
		if err := json.Unmarshal(mail.AppendJSON(nil, []string{text}), &back); err != nil || back[0] != strings.ToValidUTF8(text, "\ufffd") && !strings.Contains(text, "\ufffd") && strings.ToValidUTF8(text, "") == text {
			t.Errorf("%q has become %q, %v", text, back, err)
		}
	})
}
