package seal_test

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

func TestUser_AKeyThatIsNotTheIDsIsRefused(t *testing.T) {
	alice, mallory := newSelf(t), newSelf(t)
	if u, err := seal.NewUser(alice.ID(), mallory.PublicKey()); !errors.Is(err, seal.ErrKeyMismatch) || u != nil {
		t.Errorf("another's key: %v", err)
	}
	if _, err := seal.NewUser(strings.ToUpper(alice.ID()), alice.PublicKey()); !errors.Is(err, seal.ErrKeyMismatch) {
		t.Errorf("an id in upper case: %v", err)
	}
	if u, err := seal.NewUser(alice.ID(), alice.PublicKey()); err != nil || u.ID() != alice.ID() || u.PublicKey() != alice.PublicKey() {
		t.Errorf("the right key: %v", err)
	}
}

func TestUser_OnlyX25519InOneFormCanBeWrittenTo(t *testing.T) {
	raw := newKey(t).PublicKey().Bytes()
	b64 := base64.RawURLEncoding.EncodeToString
	keys := map[string]string{
		"no prefix":      b64(raw),
		"an opaque key":  "alice",
		"another curve":  "ed25519:" + b64(raw),
		"upper case":     "X25519:" + b64(raw),
		"padding":        "x25519:" + base64.URLEncoding.EncodeToString(raw),
		"other alphabet": "x25519:" + base64.StdEncoding.EncodeToString(append(raw[:30:30], 0xff, 0xff)),
		"31 bytes":       "x25519:" + b64(raw[:31]),
		"33 bytes":       "x25519:" + b64(append(raw[:32:32], 0)),
		"trailing bits":  "x25519:" + b64(raw)[:42] + string("BCD"[raw[0]%3]),
		"a line break":   "x25519:" + b64(raw)[:20] + "\n" + b64(raw)[20:],
		"empty":          "",
	}
	// Points of small order, RFC 7748's zero and one and the others that are known, and zero written above p.
	for _, point := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080",
	} {
		low, _ := hex.DecodeString(point)
		keys["small order "+point] = "x25519:" + b64(low)
	}
	for name, key := range keys {
		if u, err := seal.NewUser(protocol.NewUserID([]byte(key)).String(), key); !errors.Is(err, seal.ErrKeyKind) || u != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The ephemeral key is the one point that a stranger chooses when a message is opened.
func TestOpen_SmallOrderEphemeralKeysDoNotOpen(t *testing.T) {
	alice, bob := newSelf(t), newSelf(t)
	for _, first := range []byte{0, 1} {
		message := make([]byte, 32+64+16)
		message[0] = first
		if _, err := bob.Open(alice.User, "hpke1."+base64.RawURLEncoding.EncodeToString(message)); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("the point %d: %v", first, err)
		}
	}
}

func TestSelf_OtherKeysAreRefused(t *testing.T) {
	p256, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{p256, signer, nil, "x"} {
		if _, err := seal.NewSelf(key); !errors.Is(err, seal.ErrKeyKind) {
			t.Errorf("%T: %v", key, err)
		}
	}
}

func TestSafetyNumber_IsTheSameForBothAndForNobodyElse(t *testing.T) {
	alice, bob := self(t, privateKey(t, seed(0))), self(t, privateKey(t, seed(1)))
	ab := seal.SafetyNumber(alice.User, bob.User)
	// Computed from the definition by another program.
	want := strings.Fields(safetyVector)
	if !slices.Equal(ab, want) {
		t.Errorf("it is %v, want %v", ab, want)
	}
	if ba := seal.SafetyNumber(bob.User, alice.User); !slices.Equal(ab, ba) {
		t.Errorf("%v and %v for the same two", ab, ba)
	}
	if other := seal.SafetyNumber(alice.User, newSelf(t).User); slices.Equal(ab, other) {
		t.Error("another user has the same")
	}
}

const safetyVector = "63037 24022 17634 96166 77327 28350 91226 39941 95016 85337 46669 19029"
