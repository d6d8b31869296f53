package seal_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/enigma-protocol/enigma/transport/client/seal"
)

func TestHPKE_GivesTheAnswersOfTheRFC(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc9180-a1.3.json")
	if err != nil {
		t.Fatal(err)
	}
	var vector map[string]string
	if err := json.Unmarshal(text, &vector); err != nil {
		t.Fatal(err)
	}
	b := func(name string) []byte {
		raw, err := hex.DecodeString(vector[name])
		if err != nil || len(raw) == 0 {
			t.Fatalf("%s: %q, %v", name, vector[name], err)
		}
		return raw
	}
	private := func(name string) *ecdh.PrivateKey { return privateKey(t, b(name)) }
	ephemeral, sender, recipient := private("skEm"), private("skSm"), private("skRm")
	for name, key := range map[string]*ecdh.PrivateKey{"pkEm": ephemeral, "pkSm": sender, "pkRm": recipient} {
		if !bytes.Equal(key.PublicKey().Bytes(), b(name)) {
			t.Errorf("%s: the vector's key pair does not belong together", name)
		}
	}
	one, err := ephemeral.ECDH(recipient.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	two, err := sender.ECDH(recipient.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	secret, key, nonce, err := seal.Derive(append(one, two...), b("pkEm"), recipient.PublicKey(), sender.PublicKey(), b("info"))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"shared_secret": secret, "key": key, "base_nonce": nonce} {
		if !bytes.Equal(got, b(name)) {
			t.Errorf("%s is %x, want %x", name, got, b(name))
		}
	}
	message, err := seal.SealAuth(ephemeral, sender, recipient.PublicKey(), b("info"), b("aad"), b("pt"))
	if want := append(b("pkEm"), b("ct")...); err != nil || !bytes.Equal(message, want) {
		t.Errorf("sealed %x, %v, want %x", message, err, want)
	}
	plaintext, err := seal.OpenAuth(recipient, sender.PublicKey(), b("info"), b("aad"), message)
	if err != nil || !bytes.Equal(plaintext, b("pt")) {
		t.Errorf("opened %x, %v", plaintext, err)
	}
}

func privateKey(t testing.TB, raw []byte) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
