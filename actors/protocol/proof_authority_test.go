package protocol_test

import (
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

var authorities = []struct{ host, want string }{
	{"chat.example", "chat.example"},
	{"Chat.EXAMPLE", "chat.example"},
	{"chat.example.", "chat.example"},
	{"chat.example:80", "chat.example"},
	{"chat.example:443", "chat.example"},
	{"chat.example.:443", "chat.example"},
	{"chat.example:", "chat.example"},
	{"chat.example:8080", "chat.example:8080"},
	{"chat.example.:8443", "chat.example:8443"},
	{"chat.example:0080", "chat.example:0080"},
	{"chat.example:4430", "chat.example:4430"},
	{"chat.example..", "chat.example."}, // no host, but not ours to say
	{"localhost", "localhost"},
	{"192.0.2.1:443", "192.0.2.1"},
	{"192.0.2.1:81", "192.0.2.1:81"},
	{"[2001:DB8::1]", "[2001:db8::1]"},
	{"[2001:db8::1]:443", "[2001:db8::1]"},
	{"[2001:db8::1]:80", "[2001:db8::1]"},
	{"[2001:db8::1]:8443", "[2001:db8::1]:8443"},
	{"[2001:db8::1]:", "[2001:db8::1]"},
	{"2001:db8::1", "[2001:db8::1]"},
	{"2001:0db8::1", "[2001:0db8::1]"}, // text, not a number
	{"::1", "[::1]"},
	{"[fe80::1%eth0]", "[fe80::1%eth0]"},
	{"[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]"},
	{"bücher.example", "bücher.example"},
	{"BÜCHER.example", "bÜcher.example"}, // ASCII only
	{"\u212Aelvin.example", "\u212Aelvin.example"},
	{"a_b.example", "a_b.example"},

	{"", ""}, {".", ""}, {":80", ""}, {".:80", ""}, {" ", ""}, {"chat example", ""}, {"chat.example:x", ""},
	{"chat.example:80:80", ""}, {"chat.example/", ""}, {"user@chat.example", ""}, {"a,b", ""}, {"a\x00b", ""}, {"a\x7f", ""},
	{"[::1", ""}, {"::1]", ""}, {"[::1]x", ""}, {"[::1]80", ""}, {"[chat.example]", ""}, {"[192.0.2.1]", ""}, {"[]", ""},
	{"[[::1]]", ""}, {"::1% ", ""}, {"[fe80::1%a/b]", ""}, {"chat.example:-1", ""}, {"\xff.example", ""}, {"http://chat.example", ""}, {"a?b", ""}, {"a#b", ""},
}

func TestAuthority_IsCanonical(t *testing.T) {
	for _, c := range authorities {
		if got, ok := protocol.Authority(c.host); got != c.want || ok != (c.want != "") {
			t.Errorf("Authority(%q) = %q, %v, want %q", c.host, got, ok, c.want)
		}
	}
	if _, ok := protocol.Authority(strings.Repeat("a", 513)); ok {
		t.Error("a host of 513 bytes is one")
	}
}

func FuzzAuthority(f *testing.F) {
	for _, c := range authorities {
		f.Add(c.host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, ok := protocol.Authority(host)
		if !ok {
			if got != "" {
				t.Fatalf("Authority(%q) = %q, no authority", host, got)
			}
			return
		}
		if len(got) > len(host)+2 || strings.HasSuffix(got, ":80") || strings.HasSuffix(got, ":443") || strings.ContainsAny(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ") {
			t.Fatalf("Authority(%q) = %q", host, got)
		}
		// What is canonical stays so; of two dots, which no name ends with, one goes each time.
		if again, _ := protocol.Authority(got); again != got && !strings.HasSuffix(got, ".") && !strings.Contains(got, ".:") {
			t.Fatalf("Authority(%q) = %q, whose authority is %q", host, got, again)
		}
	})
}
