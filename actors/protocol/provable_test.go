package protocol_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// What stands in the tables of these tests is hexadecimal.
const (
	zero = "0000000000000000000000000000000000000000000000000000000000000000"
	one  = "0100000000000000000000000000000000000000000000000000000000000000"
)

// smallPoints are encodings of the points of small order: of u on Curve25519 and its twist, of y on edwards25519.
var (
	smallPoints = []string{
		zero, one,
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	}
	smallEdwards = []string{
		zero, one,
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	}
	// nonCanonicalSmall are the same u or y, written as p + 0 and p + 1.
	nonCanonicalSmall = []string{
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	}
)

// provable reports whether a key is provable by alg. A key that is not provable has no alg either.
func provable(t *testing.T, key, alg string) bool {
	t.Helper()
	k, ok := protocol.ParseProvableKey([]byte(key))
	if ok != (k.Alg() != "") || ok && alg != "" && k.Alg() != alg {
		t.Errorf("%.100q: %q, %v", key, k.Alg(), ok)
	}
	return ok
}

func std64(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// forms are all strings that stand for the same public key.
func forms(prefix string, raw, der []byte) map[string]string {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	oneLine := "-----BEGIN PUBLIC KEY-----\n" + std64(der) + "\n-----END PUBLIC KEY-----"
	all := map[string]string{
		"PEM":                           text,
		"PEM, CRLF":                     strings.ReplaceAll(text, "\n", "\r\n"),
		"PEM, one line":                 oneLine,
		"PEM, no line breaks":           strings.ReplaceAll(oneLine, "\n", ""),
		"PEM, without padding":          strings.ReplaceAll(text, "=", ""),
		"base64 of PEM":                 std64([]byte(text)),
		"base64 of PEM, CRLF":           std64([]byte(strings.ReplaceAll(text, "\n", "\r\n"))),
		"base64 of PEM without its end": std64([]byte(strings.TrimSpace(text))),
		"base64 of PEM, no padding":     strings.TrimRight(std64([]byte(text)), "="),
		"base64 of DER":                 std64(der),
		"base64 of DER, no padding":     strings.TrimRight(std64(der), "="),
		"a line":                        std64(der) + "\n",
		"white space around":            "\r\n\t " + text + " \n",
	}
	if prefix != "" {
		all["base64url"] = prefix + base64.RawURLEncoding.EncodeToString(raw)
		all["base64url, padding"] = prefix + base64.URLEncoding.EncodeToString(raw)
		all["base64"] = prefix + std64(raw)
		all["base64, no padding"] = prefix + base64.RawStdEncoding.EncodeToString(raw)
	}
	return all
}

// rawOf is what a typed string of the key holds.
func rawOf(public any) []byte {
	switch k := public.(type) {
	case *ecdh.PublicKey:
		return k.Bytes()
	case *ecdsa.PublicKey:
		return must(k.Bytes())
	case ed25519.PublicKey:
		return k
	}
	return nil
}

func TestProvableKey_HasManyForms(t *testing.T) {
	prefixes := map[string]string{"x25519": "x25519:", "p256": "p256:", "ed25519": "ed25519:"}
	for name, o := range owners() {
		signer, ok := o.private.(interface{ Public() crypto.PublicKey })
		if !ok {
			t.Fatalf("%s has no public key", name)
		}
		public := signer.Public()
		der, raw := must(x509.MarshalPKIXPublicKey(public)), rawOf(public)
		alg := must2(protocol.ParseProvableKey(o.claim.PublicKey)).Alg()
		for form, text := range forms(prefixes[alg], raw, der) {
			k, ok := protocol.ParseProvableKey([]byte(text))
			if !ok || k.Alg() != alg || raw != nil && !bytes.Equal(k.Raw(), raw) {
				t.Errorf("%s, %s: %q, %v\n%s", name, form, k.Alg(), ok, text)
			}
		}
	}
}

// must2 panics for a false, in what cannot go wrong.
func must2[T any](v T, ok bool) T {
	if !ok {
		panic("not ok")
	}
	return v
}

func TestProvableKey_MostStringsAreNone(t *testing.T) {
	x := must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey().Bytes()
	x[0], x[1], x[2], x[31] = 0xfb, 0xff, 0xff, 0x3f // "+///" and "-___" in its base64
	url, std := base64.RawURLEncoding.EncodeToString(x), base64.RawStdEncoding.EncodeToString(x)
	if !provable(t, "x25519:"+url, "x25519") || !provable(t, "x25519:"+std, "x25519") {
		t.Fatal("the good key is none")
	}
	for _, key := range []string{
		"", " ", "alice", "alic", "AAAA", url, std, ":" + url, "x25519:", "p256:", "ed25519:", "rsa:", "x25519", "\xff",
		"X25519:" + url, "x448:" + url, "x25519;" + url, "p256:" + url, "x25519: " + url, "x25519:" + url + "\n=",
		"x25519:" + url[:20] + "\n" + url[20:], "x25519:" + url[:20] + " " + url[20:], "x25519:" + url[:20] + "\r\n" + url[20:],
		"x25519:" + url + "==", "x25519:" + url + "A", "x25519:" + url[:42], "x25519:" + url[:40], "x25519:" + url + "AAA=",
		"x25519:=" + url, "x25519:" + url[:42] + "=" + url[42:], "x25519:" + string(x), "x25519:" + hex.EncodeToString(x),
		"x25519:" + url[:42] + bumped(url[42]), "x25519:" + std[:42] + bumped(std[42]) + "=",
		"x25519:" + strings.Replace(std, "/", "_", 1), "x25519:" + strings.Replace(url, "_", "/", 1),
		"x25519:x25519:" + url, "x25519:" + std64([]byte(url)),
	} {
		if provable(t, key, "") {
			t.Errorf("%q is provable", key)
		}
	}
}

// bumped is the next digit of base64: a last one with a trailing bit set.
func bumped(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	at := strings.IndexByte(digits, digit)
	return digits[at+1 : at+2]
}

func TestProvableKey_PEMIsStrict(t *testing.T) {
	o := owners()["rsa"]
	der := must(x509.MarshalPKIXPublicKey(&o.private.(*rsa.PrivateKey).PublicKey))
	good := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	begin, end := "-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----\n"
	for what, text := range map[string]string{
		"text before":        "hello\n" + good,
		"text behind":        good + "hello\n",
		"two blocks":         good + good,
		"a header":           string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"a": "b"}, Bytes: der})),
		"PKCS #1":            string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&o.private.(*rsa.PrivateKey).PublicKey)})),
		"SPKI as PKCS #1":    string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der})),
		"a certificate":      string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"a private key":      string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(o.private))})),
		"no end":             strings.TrimSuffix(good, end),
		"no begin":           strings.TrimPrefix(good, begin),
		"another end":        strings.Replace(good, "END PUBLIC", "END RSA PUBLIC", 1),
		"nothing between":    begin + end,
		"only the begin":     "-----BEGIN PUBLIC KEY-----",
		"white space within": strings.Replace(good, "A", "A ", 1),
		"base64url":          strings.NewReplacer("+", "-", "/", "_").Replace(good),
		"a checksum":         strings.Replace(good, end, "=AAAA\n"+end, 1),
		"PEM of PEM":         string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte(good)})),
		"base64 twice":       std64([]byte(std64([]byte(good)))),
		"base64 of typed":    std64([]byte("ed25519:" + base64.RawURLEncoding.EncodeToString(make([]byte, 32)))),
		"base64 with breaks": std64([]byte(good))[:64] + "\n" + std64([]byte(good))[64:],
		"base64url of DER":   base64.RawURLEncoding.EncodeToString(der),
		"DER itself":         string(der),
		"hex":                hex.EncodeToString(der),
	} {
		if provable(t, text, "") {
			t.Errorf("%s is provable", what)
		}
		if strings.HasPrefix(text, "-") && provable(t, std64([]byte(text)), "") {
			t.Errorf("%s in base64 is provable", what)
		}
	}
}

func FuzzProvableKey(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.PublicKey))
	}
	for _, key := range []string{"alice", "p256:", "x25519:" + std64(unhex(one)), std64(unhex("302a300506032b6570032100" + one))} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		before := bytes.Clone(key)
		k, ok := protocol.ParseProvableKey(key)
		if !bytes.Equal(key, before) {
			t.Fatal("ParseProvableKey changed the key")
		}
		if !ok {
			if k.Alg() != "" || k.Raw() != nil {
				t.Fatalf("%q: %q, not provable", key, k.Alg())
			}
			return
		}
		// The key goes by every other of its names too, and a challenge to it can be made.
		again, ok := protocol.ParseProvableKey([]byte(k.Alg() + ":" + std64(k.Raw())))
		if k.Alg() != protocol.AlgRSA && (!ok || again.Alg() != k.Alg() || !bytes.Equal(again.Raw(), k.Raw())) {
			t.Fatalf("%q is %s:%x, which is no key", key, k.Alg(), k.Raw())
		}
		c, err := k.Challenge(time.Now())
		if err != nil || c.Alg != k.Alg() || (len(c.EPK) > 0) != (curveOf(k.Alg()) != nil) {
			t.Fatalf("%q: challenge %+v, %v", key, c, err)
		}
		if c.Verify(time.Now(), &protocol.Claim{Authority: "a", PublicKey: key}, protocol.Proof{Tag: make([]byte, 32)}) {
			t.Fatalf("%q: proved by zeros", key)
		}
	})
}
