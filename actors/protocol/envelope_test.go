package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

func TestEnvelope_Takes(t *testing.T) {
	for _, c := range []struct {
		name, frame       string
		from, to, payload string
		hasFrom, exact    bool
	}{
		{"the usual frame", `{"from":"f","to":"t","payload":"p"}`, "f", "t", "p", true, true},
		{"another order", `{"payload":"p","from":"f","to":"t"}`, "f", "t", "p", true, true},
		{"white space", " \t\r\n{ \"from\" :\t\"f\" ,\n\"to\":\r\"t\",\"payload\":\"p\" }\n ", "f", "t", "p", true, true},
		{"empty strings", `{"from":"","to":"","payload":""}`, "", "", "", true, true},
		{"no from", `{"to":"t","payload":"p"}`, "", "t", "p", false, false},
		{"an unknown member", `{"from":"f","to":"t","payload":"p","time":1}`, "f", "t", "p", true, false},
		{"a member of the other profile", `{"from":"f","to":"t","payload":"p","id":1}`, "f", "t", "p", true, false},
		{"an empty name", `{"from":"f","to":"t","payload":"p","":[]}`, "f", "t", "p", true, false},
		{"an escaped name", `{"from":"f","t\u006F":"t","payload":"p"}`, "f", "t", "p", true, false},
		{"escapes", `{"from":"\"","to":"\u0041","payload":"\\\/\b\f\n\r\t\u00e9"}`, `\"`, `\u0041`, `\\\/\b\f\n\r\t\u00e9`, true, true},
		{"lone surrogates", `{"from":"f","to":"t","payload":"\ud800\ud800 \uDFFF"}`, "f", "t", `\ud800\ud800 \uDFFF`, true, true},
		{"not ASCII", `{"from":"ф","to":"鍵","payload":"🔑é"}`, "ф", "鍵", "🔑é", true, true},
		{"any value in an unknown member", `{"to":"t","payload":"p","x":[0,-1,1.5,1e9,1E-9,1.0e+9,true,false,null,"",{},[]]}`,
			"", "t", "p", false, false},
		{"a name twice, at different levels", `{"to":"t","payload":"p","x":{"to":1,"x":{"to":1}},"y":{"to":1}}`,
			"", "t", "p", false, false},
		{"names that differ in a lone surrogate", `{"to":"t","payload":"p","\ud800":1,"\ud801":1,"\ufffd":1}`,
			"", "t", "p", false, false},
		{"names in upper case", `{"to":"t","payload":"p","TO":1,"Payload":2}`, "", "t", "p", false, false},
		{"32 levels", nested(31, 31), "", "t", "p", false, false},
		{"a field's name, escaped, further in", `{"to":"t","payload":"p","x":{"t\u006f":1}}`, "", "t", "p", false, false},
		{"many names twice, in different objects", `{"to":"t","payload":"p","x":[` + twelve + `,` + twelve + `]}`,
			"", "t", "p", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e protocol.Envelope
			if err := e.Parse([]byte(c.frame)); err != nil {
				t.Fatal(err)
			}
			if string(e.From) != c.from || string(e.To) != c.to || string(e.Payload) != c.payload {
				t.Errorf("from %q, to %q, payload %q", e.From, e.To, e.Payload)
			}
			if e.HasFrom != c.hasFrom || e.Exact != c.exact {
				t.Errorf("has from %v, exact %v", e.HasFrom, e.Exact)
			}
		})
	}
}

const twelve = `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1}`

// nested returns an envelope with brackets and braces in turn inside.
func nested(open, closed int) string {
	var b strings.Builder
	b.WriteString(`{"to":"t","payload":"p","x":`)
	for i := range open {
		b.WriteString([]string{`[`, `{"x":`}[i%2])
	}
	b.WriteString(`0`)
	for i := closed - 1; i >= 0; i-- {
		b.WriteString([]string{`]`, `}`}[i%2])
	}
	return b.String() + `}`
}

// Each is INVALID_MESSAGE. Where a to could be read before the fault, the error may repeat it.
func TestEnvelope_Refuses(t *testing.T) {
	for _, c := range []struct{ name, frame, to string }{
		{"nothing", ``, ""},
		{"white space", `          `, ""},
		{"a string", `"to and payload"`, ""},
		{"an array", `[{"to":"t","payload":"p"}]`, ""},
		{"no member", `{        }`, ""},
		{"no to", `{"from":"f","payload":"p"}`, ""},
		{"no payload", `{"from":"f","to":"t"}`, "t"},
		{"a number for from", `{"from":1,"to":"t","payload":"p"}`, "t"},
		{"null for from", `{"from":null,"to":"t","payload":"p"}`, "t"},
		{"an array for to", `{"to":["t"],"payload":"p"}`, ""},
		{"an object for payload", `{"payload":{"a":"p"},"to":"t"}`, "t"},
		{"payload twice", `{"to":"t","payload":"p","payload":"p"}`, "t"},
		{"payload twice, once escaped", `{"to":"t","payload":"p","p\u0061yload":"p"}`, "t"},
		{"payload twice, twice escaped", `{"to":"t","\u0070ayload":"p","p\u0061yload":"p"}`, "t"},
		{"an unknown name twice", `{"x":1,"to":"t","payload":"p","x":1}`, "t"},
		{"an unknown name twice, once escaped", `{"x":1,"to":"t","payload":"p","\u0078":1}`, "t"},
		{"a name twice further in", `{"to":"t","payload":"p","x":[{"y":1,"y":1}]}`, "t"},
		{"a field's name twice further in", `{"to":"t","payload":"p","x":{"to":1,"to":1}}`, "t"},
		{"a name twice, as a surrogate pair and a character", `{"to":"t","payload":"p","\ud83d\ude00":1,"😀":1}`, "t"},
		{"a name twice, around an object", `{"to":"t","payload":"p","x":{"a":{"b":1,"c":2},"a":1}}`, "t"},
		{"33 levels", nested(32, 32), "t"},
		{"a second object", `{"to":"t","payload":"p"}{}`, "t"},
		{"a byte behind", `{"to":"t","payload":"p"},`, "t"},
		{"a NUL behind", `{"to":"t","payload":"p"}` + "\x00", "t"},
		{"a byte order mark", "\ufeff" + `{"to":"t","payload":"p"}`, ""},
		{"no end", `{"to":"t","payload":"p"`, "t"},
		{"no end of a string", `{"to":"t","payload":"p`, "t"},
		{"a quote escaped at the end", `{"to":"t","payload":"p\"}`, "t"},
		{"nothing behind a backslash", `{"to":"t","payload":"p\`, "t"},
		{"no quotes", `{to:"t","payload":"p"}`, ""},
		{"single quotes", `{'to':'t','payload':'p'}`, ""},
		{"a comma too many", `{"to":"t","payload":"p",}`, "t"},
		{"a comma first", `{,"to":"t","payload":"p"}`, ""},
		{"two commas", `{"to":"t",,"payload":"p"}`, "t"},
		{"no comma", `{"to":"t" "payload":"p"}`, "t"},
		{"no colon", `{"to" "t","payload":"p"}`, ""},
		{"two colons", `{"to"::"t","payload":"p"}`, ""},
		{"no value", `{"payload":"p","to":}`, ""},
		{"a comment", `{"to":"t",/**/"payload":"p"}`, "t"},
		{"a form feed for white space", "{\f" + `"to":"t","payload":"p"}`, ""},
		{"a no-break space for white space", "{\u00a0" + `"to":"t","payload":"p"}`, ""},
		{"a bracket for a brace", `{"to":"t","payload":"p"]`, "t"},
		{"an array with a comma", `{"to":"t","payload":"p","x":[1,]}`, "t"},
		{"an array without a comma", `{"to":"t","payload":"p","x":[1 2]}`, "t"},
		{"an array without an end", `{"to":"t","payload":"p","x":[1}`, "t"},
		{"an array that starts with a comma", `{"to":"t","payload":"p","x":[,1]}`, "t"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.frame, c.to) })
	}
}

func refused(t *testing.T, frame, to string) {
	t.Helper()
	var e protocol.Envelope
	if err := e.Parse([]byte(frame)); err != protocol.ErrInvalid {
		t.Errorf("Parse(%s) = %v", frame, err)
	}
	if string(e.To) != to {
		t.Errorf("Parse(%s) found the to %q, want %q", frame, e.To, to)
	}
}

func TestEnvelope_ChecksWhatItIgnores(t *testing.T) {
	for _, value := range []string{
		`01`, `-`, `+1`, `.5`, `1.`, `-.5`, `1.e1`, `1e`, `1e+`, `1e-`, `1e1.5`, `0x1`, `00`, `-00`, `-01`, `1_0`, `1a`, `--1`,
		`NaN`, `Infinity`, `-Infinity`, `tru`, `truee`, `trux`, `tRUE`, `True`, `fals`, `falsy`, `nul`, `nulx`, `nulll`, `undefined`, `t`, `f`, `n`, `'a'`, `a`,
		`"\a"`, `"\'"`, `"\x41"`, `"\u"`, `"\u1"`, `"\u12"`, `"\u123"`, `"\u123g"`, `"\u 123"`, `"\u+123"`, `"\U0041"`, `"\0"`,
		`"\` + "\n" + `"`, `"\é"`, `"\u12é"`,
	} {
		for _, format := range []string{`{"to":"t","payload":"p","x":%s}`, `{"to":"t","payload":"p","x":[%s]}`,
			`{"to":"t","payload":"p","id":{"x":%s}}`} {
			refused(t, fmt.Sprintf(format, value), "t")
		}
	}
}

func TestEnvelope_TellsInvalidUTF8(t *testing.T) {
	for _, frame := range []string{
		`{"to":"t","payload":"` + "\xff" + `"}`,
		`{"to":"t","payload":"` + "\xc0\xaf" + `"}`,
		`{"to":"t","payload":"` + "\xed\xa0\x80" + `"}`,
		`{"to":"t","payload":"` + "\xf4\x90\x80\x80" + `"}`,
		`{"to":"t","payload":"` + "\xe2\x82" + `"}`,
		`{"to":"t","payload":"p","` + "\x80" + `":1}`,
		`{"to":"t","payload":"p"}` + "\xff",
		`{"to":"t","to":"t","payload":"p"}` + "\xff",
		`{` + "\xff",
		"\xff",
	} {
		e := protocol.Envelope{To: []byte("left over")}
		if err := e.Parse([]byte(frame)); err != protocol.ErrUTF8 {
			t.Errorf("Parse(%q) = %v", frame, err)
		}
		if e.To != nil {
			t.Errorf("Parse(%q) found the to %q, which cannot be repeated", frame, e.To)
		}
	}
}

// The scanner looks at eight bytes at once; every byte has to be seen in every place of a word, and before the end.
func TestEnvelope_SeesEveryByteInEveryPlace(t *testing.T) {
	for length := range 20 {
		for place := range length {
			for c := range 256 {
				text := bytes.Repeat([]byte("p"), length)
				text[place] = byte(c)
				for _, format := range []string{`{"to":"t","payload":"%s"}`, `{"%s":1,"to":"t","payload":"p"}`} {
					frame := fmt.Appendf(nil, format, text)
					var e protocol.Envelope
					err := e.Parse(frame)
					if want := json.Valid(frame) && utf8.Valid(frame); (err == nil) != want {
						t.Fatalf("Parse(%q) = %v, valid %v", frame, err, want)
					}
				}
			}
		}
	}
}

func TestEnvelope_SeesEveryByteInEveryPlaceOfAnEscape(t *testing.T) {
	for place := range 5 {
		for c := range 256 {
			text := []byte(`uaF09u`)
			text[place] = byte(c)
			frame := fmt.Appendf(nil, `{"to":"t","payload":"\%s"}`, text)
			err := new(protocol.Envelope).Parse(frame)
			if want := json.Valid(frame) && utf8.Valid(frame); (err == nil) != want {
				t.Fatalf("Parse(%q) = %v, valid %v", frame, err, want)
			}
		}
	}
}

func TestEnvelope_EveryCutIsRefused(t *testing.T) {
	for _, frame := range seeds {
		if _, err := referenceEnvelope([]byte(frame)); err != nil {
			continue
		}
		whole := strings.TrimRight(frame, " ")
		for n := range len(whole) {
			// Not a byte may be read behind the frame's end, where the rest of it stands.
			if err := new(protocol.Envelope).Parse([]byte(whole)[:n]); err == nil {
				t.Errorf("%q was taken", whole[:n])
			}
		}
	}
}

func TestEnvelope_ManyNamesAreStillDistinct(t *testing.T) {
	for _, n := range []int{2, 7, 8, 9, 10, 16, 17, 100, 5_000} {
		for twice := range min(n, 20) {
			frame := manyNames(n, -1)
			if err := new(protocol.Envelope).Parse(frame); err != nil {
				t.Fatalf("%d names: %v", n, err)
			}
			if err := new(protocol.Envelope).Parse(manyNames(n, twice)); err != protocol.ErrInvalid {
				t.Fatalf("%d names, number %d twice: %v", n, twice, err)
			}
		}
	}
}

// manyNames returns an envelope with n names, every third with an escape, and the one with the given number once more
// at the end. An object in the middle has as many.
func manyNames(n, twice int) []byte {
	inner := "{}"
	if n > 20 {
		inner = string(manyNames(n/2, -1))
	}
	name := func(i int) string { return fmt.Sprintf(`%snr %d`, []string{"", "", `\u0020`}[i%3], i) }
	var b strings.Builder
	b.WriteString(`{"to":"t","payload":"p"`)
	for i := range n {
		fmt.Fprintf(&b, `,"%s":%d`, name(i), i)
		if i == n/2 {
			fmt.Fprintf(&b, `,"inner":%s`, inner)
		}
	}
	if twice >= 0 {
		fmt.Fprintf(&b, `,"%s":0`, name(twice))
	}
	return []byte(b.String() + `}`)
}
