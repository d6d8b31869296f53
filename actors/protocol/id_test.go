package protocol_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

const (
	aliceText = "fpmansl7byak6gq7ymzi7j3dvetjoi6i"
	alphabet  = "abcdefghijklmnopqrstuvwxyz234567"
)

var (
	alice = protocol.NewUserID([]byte("alice"))
	bob   = protocol.NewUserID([]byte("bob"))
)

func TestUserID_OfAliceIsTheVector(t *testing.T) {
	if got := alice.String(); got != aliceText {
		t.Errorf("id of alice = %s, want %s", got, aliceText)
	}
}

func TestUserID_IsBase32OfTheHash(t *testing.T) {
	encoding := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)
	for i := range 1000 {
		key := bytes.Repeat([]byte{byte(i)}, i)
		sum := sha256.Sum256(key)
		want := encoding.EncodeToString(sum[:20])
		id := protocol.NewUserID(key)
		if got := id.String(); got != want {
			t.Fatalf("id of key %d = %s, want %s", i, got, want)
		}
		if got, ok := protocol.ParseUserID(want); !ok || got != id {
			t.Fatalf("ParseUserID(%s) = %v, %v", want, got, ok)
		}
	}
}

func TestParseUserID_TakesEveryCharacterInEveryPlace(t *testing.T) {
	encoding := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)
	for place := range protocol.UserIDLen {
		for c := range 256 {
			text := []byte(strings.Repeat("a", protocol.UserIDLen))
			text[place] = byte(c)
			id, ok := protocol.ParseUserID(text)
			if want := strings.IndexByte(alphabet, byte(c)) >= 0; ok != want {
				t.Fatalf("ParseUserID(%q) = %v, want %v", text, ok, want)
			}
			read := protocol.UserID{0: 1}
			if read.Read(text) != ok || read != id {
				t.Fatalf("Read(%q) is %s, want what ParseUserID says: %s", text, read, id)
			}
			if !ok && id != (protocol.UserID{}) {
				t.Fatalf("ParseUserID(%q) returned an id that is none", text)
			}
			if ok && encoding.EncodeToString(id[:]) != string(text) {
				t.Fatalf("ParseUserID(%q) = %s", text, encoding.EncodeToString(id[:]))
			}
		}
	}
}

func TestParseUserID_RefusesOtherLengths(t *testing.T) {
	for n := range 3 * protocol.UserIDLen {
		_, ok := protocol.ParseUserID(strings.Repeat("a", n))
		if ok != (n == protocol.UserIDLen) {
			t.Errorf("ParseUserID of %d characters = %v", n, ok)
		}
	}
}

func TestParseRawUserID_ReadsEscapes(t *testing.T) {
	allEscaped := ""
	for _, c := range aliceText {
		allEscaped += `\u00` + string("0123456789abcdef"[c>>4]) + string("0123456789ABCDEF"[c&15])
	}
	for raw, want := range map[string]bool{
		aliceText:                  true,
		`\u0066` + aliceText[1:]:   true,
		aliceText[:31] + `\u0069`:  true,
		allEscaped:                 true,
		`\u0046` + aliceText[1:]:   false, // an upper-case F
		`\n` + aliceText[1:]:       false,
		`\u0066` + aliceText:       false,
		allEscaped + `\u0069`:      false,
		aliceText[:31]:             false,
		`\ud800` + aliceText[1:]:   false,
		strings.Repeat("a", 5_000): false,
		"":                         false,
	} {
		id, ok := protocol.ParseRawUserID([]byte(raw))
		read := protocol.UserID{0: 1}
		if read.ReadRaw([]byte(raw)) != ok || read != id {
			t.Errorf("ReadRaw(%s) is %s, want what ParseRawUserID says: %s", raw, read, id)
		}
		if ok != want || ok && id != alice {
			t.Errorf("ParseRawUserID(%s) = %v, %v", raw, id, ok)
		}
	}
}

func TestCheckKey(t *testing.T) {
	for _, c := range []struct {
		name, key string
		want      protocol.Code
	}{
		{"empty", "", protocol.CodeBadRequest},
		{"one byte", "a", protocol.CodeNone},
		{"longest", strings.Repeat("k", protocol.MaxKeyLength), protocol.CodeNone},
		{"too long", strings.Repeat("k", protocol.MaxKeyLength+1), protocol.CodeKeyTooLong},
		{"too long and invalid", strings.Repeat("\xff", protocol.MaxKeyLength+1), protocol.CodeKeyTooLong},
		{"PEM", "-----BEGIN PUBLIC KEY-----\r\n\tMCow=\n-----END PUBLIC KEY-----\n", protocol.CodeNone},
		{"spaces and punctuation", " +/=?%#", protocol.CodeNone},
		{"not ASCII", "ключ 鍵 🔑", protocol.CodeNone},
		{"soft hyphen and no-break space", "a\u00ad\u00a0b", protocol.CodeNone},
		{"line separator, which is no control character", "a\u2028b", protocol.CodeNone},
		{"invalid UTF-8", "a\xffb", protocol.CodeBadRequest},
		{"surrogate in UTF-8", "a\xed\xa0\x80b", protocol.CodeBadRequest},
		{"cut UTF-8", "a\xf0\x9f\x94", protocol.CodeBadRequest},
	} {
		if got := protocol.CheckKey([]byte(c.key)); got != c.want {
			t.Errorf("%s: CheckKey = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCheckKey_RefusesControlCharacters(t *testing.T) {
	for r := rune(0); r < 0x100; r++ {
		want := protocol.CodeNone
		if r < 0x20 && r != '\r' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0 {
			want = protocol.CodeBadRequest
		}
		if got := protocol.CheckKey([]byte("key" + string(r) + "key")); got != want {
			t.Errorf("CheckKey with %U = %v, want %v", r, got, want)
		}
	}
}
