package seal_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/transport/client/seal"
)

func self(t testing.TB, key *ecdh.PrivateKey) *seal.Self {
	t.Helper()
	s, err := seal.NewSelf(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSelf(t testing.TB) *seal.Self { return self(t, newKey(t)) }

func sealed(t testing.TB, from *seal.Self, to *seal.User, c *seal.Content) string {
	t.Helper()
	payload, err := from.Seal(to, c)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestSeal_WhatIsSealedOpens(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	id := seal.NewText("").ID
	for _, c := range []*seal.Content{
		seal.NewText("hello"),
		seal.NewText(""),
		seal.NewText("\u2028 <b>&amp; \x1b[31m\x00 Grüße 👋🏽"),
		seal.NewText(strings.Repeat("ü", seal.MaxText/2)),
		seal.NewReceipt(id),
		seal.NewReceipt(strings.Fields(strings.Repeat(id+" ", seal.MaxReceipts))...),
	} {
		c.Time = c.Time.Truncate(time.Millisecond)
		for _, to := range []*seal.Self{bob, alice} { // one may write to oneself
			got, err := to.Open(alice.User, sealed(t, alice, to.User, c))
			if err != nil {
				t.Fatal(err)
			}
			if !got.Time.Equal(c.Time) {
				t.Errorf("the time is %v, want %v", got.Time, c.Time)
			}
			got.Time = c.Time
			if !reflect.DeepEqual(got, c) {
				t.Errorf("opened %.100v, want %.100v", got, c)
			}
		}
	}
}

func TestSeal_LengthsAreHidden(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	lengths := make(map[int]bool)
	for n := range 100 {
		c := seal.NewText(strings.Repeat("x", n))
		c.Time = time.UnixMilli(1767225600000)
		lengths[len(sealed(t, alice, bob.User, c))] = true
	}
	if len(lengths) > 3 {
		t.Errorf("100 texts have %d lengths, want one for every 64 bytes", len(lengths))
	}
	a, b := seal.NewText("x"), seal.NewText("x")
	first, second := sealed(t, alice, bob.User, a), sealed(t, alice, bob.User, a)
	if a.ID == b.ID || first == second {
		t.Error("an id or a payload came twice")
	}
}

func TestOpen_EveryFlippedByteIsFound(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	payload := sealed(t, alice, bob.User, seal.NewText("hello"))
	message, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(payload, "hpke1."))
	if err != nil {
		t.Fatal(err)
	}
	for i := range message {
		for bit := range 8 {
			if i == 31 && bit == 7 {
				continue // X25519 does not look at it; that enc is part of the key's context is tested below
			}
			message[i] ^= 1 << bit
			if _, err := bob.Open(alice.User, "hpke1."+base64.RawURLEncoding.EncodeToString(message)); !errors.Is(err, seal.ErrOpen) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
			message[i] ^= 1 << bit
		}
	}
	message[31] ^= 0x80 // the same point in other bytes
	if _, err := bob.Open(alice.User, "hpke1."+base64.RawURLEncoding.EncodeToString(message)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another encoding of enc: %v", err)
	}
	message[31] ^= 0x80
	for n := range message {
		if _, err := bob.Open(alice.User, "hpke1."+base64.RawURLEncoding.EncodeToString(message[:n])); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
}

func TestOpen_OnlyTheRecipientOpensWhatTheSenderSealed(t *testing.T) {
	alice, bob, mallory := newSelf(t), newSelf(t), newSelf(t)
	payload := sealed(t, alice, bob.User, seal.NewText("hello"))
	for name, c := range map[string]struct {
		recipient *seal.Self
		sender    *seal.User
	}{
		"another sender":                {bob, mallory.User},
		"another recipient":             {mallory, alice.User},
		"swapped":                       {alice, bob.User},
		"the sender itself":             {alice, alice.User},
		"the recipient as the sender":   {bob, bob.User},
		"a third party for both":        {mallory, mallory.User},
		"the recipient, to the sender":  {alice, mallory.User},
		"the third party, to the third": {mallory, bob.User},
	} {
		if _, err := c.recipient.Open(c.sender, payload); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bob.Open(alice.User, payload); err != nil {
		t.Error(err)
	}
}

// The ids are bound apart from the keys, in info and in aad: a payload under the right keys and swapped ids is refused.
func TestOpen_TheIDsAreBound(t *testing.T) {
	from, to, ephemeral := newKey(t), newKey(t), newKey(t)
	alice, bob := self(t, from), self(t, to)
	lp := func(parts ...string) (out []byte) {
		for _, part := range parts {
			out = append(append(out, 0, byte(len(part))), part...)
		}
		return out
	}
	plaintext := []byte(`{"type":"receipt","time":1,"ids":["0123456789012345678901"]}    `)
	a, b := alice.ID(), bob.ID()
	for name, c := range map[string]struct {
		info, aad []byte
		opens     bool
	}{
		"right":               {lp("enigma-hpke1", a, b), lp("enigma-hpke1 message", a, b), true},
		"swapped":             {lp("enigma-hpke1", b, a), lp("enigma-hpke1 message", b, a), false},
		"swapped in info":     {lp("enigma-hpke1", b, a), lp("enigma-hpke1 message", a, b), false},
		"swapped in aad":      {lp("enigma-hpke1", a, b), lp("enigma-hpke1 message", b, a), false},
		"another label":       {lp("enigma-hpke2", a, b), lp("enigma-hpke1 message", a, b), false},
		"another label below": {lp("enigma-hpke1", a, b), lp("enigma-hpke1", a, b), false},
	} {
		message, err := seal.SealAuth(ephemeral, from, to.PublicKey(), c.info, c.aad, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		_, err = bob.Open(alice.User, "hpke1."+base64.RawURLEncoding.EncodeToString(message))
		if c.opens && err != nil || !c.opens && !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpen_OtherFormsAreNotTheFormat(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	payload := sealed(t, alice, bob.User, seal.NewText("hello"))
	body := strings.TrimPrefix(payload, "hpke1.")
	message, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string]string{
		"empty":                 "",
		"no prefix":             body,
		"another prefix":        "hpke2." + body,
		"upper case":            "HPKE1." + body,
		"white space before":    " hpke1." + body,
		"white space after":     payload + " ",
		"a line break after":    payload + "\n",
		"a line break within":   payload[:50] + "\r\n" + payload[50:],
		"padding":               "hpke1." + base64.URLEncoding.EncodeToString(message[:97]),
		"the other alphabet":    "hpke1." + strings.Repeat("+/", 64),
		"one character too few": "hpke1." + strings.Repeat("A", 65),
		"trailing bits":         "hpke1." + strings.Repeat("A", 64) + "AB",
	} {
		if _, err := bob.Open(alice.User, payload); !errors.Is(err, seal.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpen_WhatASenderMakesUpIsChecked(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	const id = "0123456789012345678901"
	for plaintext, want := range map[string]string{ // the type that is read, empty for ErrContent
		`{"type":"text","id":"` + id + `","time":1,"text":"x"}`:                    "text",
		`{"type":"text","id":"` + id + `","time":1.5e3,"text":"x","more":[{}]}   `: "text",
		`{"type":"draft","id":3}`:                          "draft",
		`{"type":"receipt","time":1,"ids":["` + id + `"]}`: "receipt",
		``:                "",
		`null`:            "",
		`[]`:              "",
		`"text"`:          "",
		`{}`:              "",
		`{"type":null}`:   "",
		`{"type":1}`:      "",
		`{"type":"text"}`: "",
		`{"type":"text","id":"` + id + `","time":1,"text":"x"} x`:                                  "",
		`{"type":"text","id":"` + id + `","time":1,"text":"` + "\xff" + `"}`:                       "",
		`{"type":"text","id":"` + id + `","time":1,"TEXT":"x"}`:                                    "",
		`{"type":"text","id":"` + id + `","time":1,"text":null}`:                                   "",
		`{"type":"text","id":"` + id + `","time":1,"text":3}`:                                      "",
		`{"type":"text","id":"` + id + `","time":null,"text":"x"}`:                                 "",
		`{"type":"text","id":"` + id + `","time":1e300,"text":"x"}`:                                "",
		`{"type":"text","id":"` + id + `","time":"1","text":"x"}`:                                  "",
		`{"type":"text","id":"` + id + `x","time":1,"text":"x"}`:                                   "",
		`{"type":"text","id":"` + id[1:] + `+","time":1,"text":"x"}`:                               "",
		`{"type":"text","id":"` + id + `","time":1,"text":"` + strings.Repeat("x", 60001) + `"}`:   "",
		`{"type":"receipt","time":1}`:                                                              "",
		`{"type":"receipt","time":1,"ids":[]}`:                                                     "",
		`{"type":"receipt","time":1,"ids":[null]}`:                                                 "",
		`{"type":"receipt","time":1,"ids":["x"]}`:                                                  "",
		`{"type":"receipt","time":1,"ids":[` + strings.Repeat(`"`+id+`",`, 256) + `"` + id + `"]}`: "",
		strings.Repeat(`{"type":`, 20000):                                                          "",
	} {
		payload, err := alice.SealPlaintext(bob.User, newKey(t), []byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		c, err := bob.Open(alice.User, payload)
		switch {
		case want == "" && !errors.Is(err, seal.ErrContent):
			t.Errorf("%.80q: %v, %v", plaintext, c, err)
		case want != "" && (err != nil || c.Type != want):
			t.Errorf("%.80q: %v, %v", plaintext, c, err)
		}
	}
}

func TestSeal_RefusesWhatTheFormatDoes(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	id := seal.NewText("").ID
	for name, c := range map[string]struct {
		content *seal.Content
		want    error
	}{
		"a long text":             {seal.NewText(strings.Repeat("x", seal.MaxText+1)), seal.ErrTooLong},
		"a text of much to quote": {seal.NewText(strings.Repeat("\x01", seal.MaxText)), seal.ErrTooLong},
		"invalid UTF-8":           {seal.NewText("\xff"), seal.ErrContent},
		"no id":                   {&seal.Content{Type: seal.TypeText, Text: "x"}, seal.ErrContent},
		"no type":                 {&seal.Content{ID: id, Text: "x"}, seal.ErrContent},
		"an empty receipt":        {seal.NewReceipt(), seal.ErrContent},
		"a receipt of no id":      {seal.NewReceipt("x"), seal.ErrContent},
		"a long receipt":          {seal.NewReceipt(strings.Fields(strings.Repeat(id+" ", seal.MaxReceipts+1))...), seal.ErrTooLong},
	} {
		if payload, err := alice.Seal(bob.User, c.content); !errors.Is(err, c.want) || payload != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	alice, bob := self(f, privateKey(f, seed(0))), self(f, privateKey(f, seed(1)))
	ephemeral := privateKey(f, seed(2))
	for _, plaintext := range plaintexts() {
		f.Add(plaintext, "")
	}
	f.Add("", sealed(f, alice, bob.User, seal.NewText("hello")))
	f.Add("", "hpke1.")
	f.Fuzz(func(t *testing.T, plaintext, payload string) {
		// What anybody can send does not open.
		if c, err := bob.Open(alice.User, payload); err == nil && c.Check() != nil {
			t.Errorf("opened %v", c)
		}
		// What the sender can make up either is refused or can be sealed again and says the same.
		payload, err := alice.SealPlaintext(bob.User, ephemeral, []byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		c, err := bob.Open(alice.User, payload)
		if err != nil || c.Type != seal.TypeText && c.Type != seal.TypeReceipt {
			return
		}
		again, err := alice.Seal(bob.User, c)
		if errors.Is(err, seal.ErrTooLong) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := bob.Open(alice.User, again); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%v has become %v, %v", c, got, err)
		}
	})
}
