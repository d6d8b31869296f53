package client_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

func ok[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// privates has a private key of each type.
var privates = sync.OnceValue(func() map[string]crypto.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return map[string]crypto.PrivateKey{
		"x25519":  ok(ecdh.X25519().GenerateKey(rand.Reader)),
		"p256":    ok(ecdh.P256().GenerateKey(rand.Reader)),
		"ecdsa":   ok(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"ed25519": ed25519.NewKeyFromSeed(seed),
		"rsa":     ok(rsa.GenerateKey(rand.Reader, 2048)),
	}
})

// token is a key that can only sign.
type token struct{ crypto.Signer }

func TestKey_OutlivesTheProcess(t *testing.T) {
	for name, private := range privates() {
		k, err := client.NewKey(private, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join(t.TempDir(), "key.pem")
		if err := k.Save(path); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := client.LoadKey(path)
		if err != nil || again.ID() != k.ID() || again.PublicKey() != k.PublicKey() {
			t.Errorf("%s: loaded %+v, %v", name, again, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if err := k.Save(path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: saved over it: %v", name, err)
		}
		if k.ID() != idOf(k.PublicKey()) || k.Private() == nil {
			t.Errorf("%s: id %s of %s", name, k.ID(), k.PublicKey())
		}
	}
}

func TestKey_IsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	first, err := client.LoadOrGenerateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := client.LoadOrGenerateKey(path)
	if err != nil || second.ID() != first.ID() || !strings.HasPrefix(first.PublicKey(), "x25519:") {
		t.Errorf("%v, %v", second, err)
	}
	other := ok(client.GenerateKey())
	if other.ID() == first.ID() {
		t.Error("two keys are one")
	}
	if _, err := client.LoadOrGenerateKey(filepath.Join(path, "x")); err == nil {
		t.Error("a file in a file")
	}
	if _, err := client.LoadKey(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := other.Save(filepath.Join(path, "x")); err == nil {
		t.Error("saved in a file")
	}
}

func TestKey_MayHaveAnotherPublicString(t *testing.T) {
	private := privates()["p256"].(*ecdh.PrivateKey)
	der := ok(x509.MarshalPKIXPublicKey(private.Public()))
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, public := range []string{text, base64.StdEncoding.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString(der)} {
		k, err := client.NewKey(private, public)
		if err != nil || k.PublicKey() != public || k.ID() != idOf(public) {
			t.Errorf("%.20q: %v", public, err)
		}
	}
}

func TestKey_RefusesWhatProvesNothing(t *testing.T) {
	all := privates()
	x, p := ok(client.NewKey(all["x25519"], "")), ok(client.NewKey(all["p256"], ""))
	p384 := ok(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for what, c := range map[string]struct {
		private crypto.PrivateKey
		public  string
		want    error // nil for any
	}{
		"another's public key":   {all["x25519"], ok(client.GenerateKey()).PublicKey(), protocol.ErrWrongKey},
		"a key of another kind":  {all["x25519"], p.PublicKey(), protocol.ErrWrongKey},
		"a key that is any text": {all["x25519"], "alice", protocol.ErrNotProvable},
		"P-384":                  {p384, "", protocol.ErrNotProvable},
		"P-384 as ECDH":          {ok(ecdh.P384().GenerateKey(rand.Reader)), "", protocol.ErrNotProvable},
		"no key":                 {nil, "", nil},
		"no key of its own":      {nil, x.PublicKey(), protocol.ErrWrongKey},
		"text":                   {"secret", "", nil},
	} {
		if _, err := client.NewKey(c.private, c.public); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	good := ok(x.MarshalPEM())
	for what, text := range map[string][]byte{
		"nothing":      nil,
		"no PEM":       []byte("secret"),
		"a public key": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
		"SEC 1":        pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ok(x509.MarshalECPrivateKey(all["ecdsa"].(*ecdsa.PrivateKey)))}),
		"rubbish":      pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}),
		"cut":          good[:len(good)/2],
		"P-384":        pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ok(x509.MarshalPKCS8PrivateKey(p384))}),
	} {
		if _, err := client.ParseKey(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("x"), 65<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.LoadKey(large); err == nil || !strings.Contains(err.Error(), "no key file") {
		t.Errorf("a large file: %v", err)
	}
	if _, err := ok(client.NewKey(token{all["rsa"].(crypto.Signer)}, "")).MarshalPEM(); err == nil {
		t.Error("a token gives its key away")
	}
}
