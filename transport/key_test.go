package transport

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzKeyFromBody holds that a key that is taken is the one encoding/json reads, with nothing replaced in it.
func FuzzKeyFromBody(f *testing.F) {
	for _, seed := range []string{
		`{"publicKey":"alice"}`, `{"a":[{}],"publicKey":"\ud83d\ude00\n"} `, `{"publicKey":"\ud800"}`, `{"publicKey":"\\ud800"}`,
		`{"publicKey":"a","publicKey":"b"}`, "{\"publicKey\":\"\xff\"}", `{"publicKey":"\ufffd"}`, `{"publicKey":"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		key, ok := keyFromBody(body)
		if !ok {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(body, &want); err != nil || want["publicKey"] != string(key) || !utf8.Valid(body) {
			t.Fatalf("%q gives %q, encoding/json %v, %v", body, key, want, err)
		}
		replaced := bytes.Count(key, []byte("\ufffd"))
		if meant := bytes.Count(body, []byte("\ufffd")) + strings.Count(strings.ToLower(string(body)), `\ufffd`); replaced > meant {
			t.Fatalf("%q gives %q", body, key)
		}
	})
}

// FuzzPercentDecode compares with net/url, which decodes a path in the same way.
func FuzzPercentDecode(f *testing.F) {
	for _, seed := range []string{"alice", "a%2Fb", "a%252Fb", "%", "%4", "a+b%2b", "%zz", "\xff%ff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		key, ok := percentDecode([]byte(raw))
		want, err := url.PathUnescape(raw)
		if ok != (err == nil) || ok && string(key) != want {
			t.Fatalf("%q gives %q %v, net/url %q %v", raw, key, ok, want, err)
		}
	})
}
