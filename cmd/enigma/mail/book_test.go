package mail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSeen_RemembersTheLastThousand(t *testing.T) {
	var s mail.Seen
	id := func(i int) string { return fmt.Sprintf("%022d", i) }
	for i := range 3 * mail.SeenTexts / 2 {
		if !s.Add(id(i)) {
			t.Fatalf("%d was new", i)
		}
	}
	for i := mail.SeenTexts / 2; i < 3*mail.SeenTexts/2; i++ {
		if s.Add(id(i)) {
			t.Fatalf("%d was one of the last", i)
		}
	}
	if !s.Add(id(0)) {
		t.Error("the oldest is remembered for ever")
	}
	ids := s.IDs()
	if len(ids) != mail.SeenTexts || ids[0] != id(mail.SeenTexts/2+1) || ids[len(ids)-1] != id(0) {
		t.Errorf("%d ids, from %s to %s", len(ids), ids[0], ids[len(ids)-1])
	}
}

func TestBook_ComesBackAsItWasAndNotChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem.contacts")
	b, err := mail.LoadBook(path)
	if err != nil || len(b.Contacts) != 0 {
		t.Fatalf("without a file: %v", err)
	}
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b.Contacts = append(b.Contacts, &mail.Contact{Name: "bob", ID: key.ID(), PublicKey: key.PublicKey(), Seen: []string{"x"}})
	for range 2 {
		if err := b.Save(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := mail.LoadBook(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"bob", "BOB", key.ID()} {
		if c := again.Find(who); c == nil || c.PublicKey != key.PublicKey() || !slices.Equal(c.Seen, []string{"x"}) {
			t.Errorf("%s is %v", who, c)
		}
	}
	if again.Find("") != nil || again.Find("carol") != nil {
		t.Error("somebody was found who is not there")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	// Somebody puts another key under the name.
	other, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), key.PublicKey(), other.PublicKey(), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mail.LoadBook(path); err == nil {
		t.Error("a key was exchanged and nobody noticed")
	}
}

func TestCheckName_NamesAreNoIDsAndShowThemselves(t *testing.T) {
	for name, ok := range map[string]bool{
		"bob": true, "Zoë": true, "世界": true, strings.Repeat("x", 24): true,
		"": false, "a b": false, strings.Repeat("x", 25): false, "x\x1b[31m": false, "x\u202e": false,
		"fpmansl7byak6gq7ymzi7j3dvetjoi6i": false,
	} {
		if err := mail.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
