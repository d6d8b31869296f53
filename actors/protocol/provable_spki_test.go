package protocol_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Malformed and unusual SPKI, mostly built byte by byte: an encoder would not make it.

// tlv is a DER value of less than 65,536 bytes.
func tlv(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

// Tags and contents of DER.
const (
	tagInteger  = 0x02
	tagBits     = 0x03
	tagOID      = 0x06
	tagSequence = 0x30
)

var (
	null       = []byte{0x05, 0x00}
	oidRSA     = tlv(tagOID, unhex("2a864886f70d010101"))
	oidPSS     = tlv(tagOID, unhex("2a864886f70d01010a"))
	oidX25519  = tlv(tagOID, unhex("2b656e"))
	oidX448    = tlv(tagOID, unhex("2b656f"))
	oidEd25519 = tlv(tagOID, unhex("2b6570"))
)

// spki puts a public key together. The bit string's first byte says how many of its bits are unused.
func spki(algorithm, unused, key []byte) []byte {
	return tlv(tagSequence, algorithm, tlv(tagBits, unused, key))
}

func rsaInteger(n *big.Int) []byte { return tlv(tagInteger, append([]byte{0}, n.Bytes()...)) }

// rsaSPKI is an RSA key with a modulus of so many bits, which no one has a private key for.
func rsaSPKI(bits int, e *big.Int) []byte {
	return spki(tlv(tagSequence, oidRSA, null), []byte{0}, rsaNumbers(bits, e))
}

func rsaNumbers(bits int, e *big.Int) []byte {
	n := new(big.Int).SetBit(must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))), bits-1, 1)
	encodedN := must(asn1.Marshal(n.SetBit(n, 0, 1)))
	return tlv(tagSequence, encodedN, must(asn1.Marshal(e)))
}

func TestRSAKey_HasBounds(t *testing.T) {
	usual := big.NewInt(65537)
	for bits, want := range map[int]bool{
		512: false, 1024: false, 2046: false, 2047: false, 2048: true, 2049: true, 3072: true, 4095: true, 4096: true,
		4097: false, 8192: false, 16384: false,
	} {
		if provable(t, std64(rsaSPKI(bits, usual)), "rsa-pss-sha256") != want {
			t.Errorf("%d bits: provable %v", bits, !want)
		}
	}
	for e, want := range map[*big.Int]bool{
		big.NewInt(-3): false, big.NewInt(0): false, big.NewInt(1): false, big.NewInt(2): false, big.NewInt(3): true,
		big.NewInt(4): false, big.NewInt(17): true, big.NewInt(65536): false, usual: true, big.NewInt(1<<31 - 1): true,
		new(big.Int).Lsh(big.NewInt(1), 64): false, new(big.Int).SetBit(big.NewInt(1), 100, 1): false,
	} {
		if provable(t, std64(rsaSPKI(2048, e)), "rsa-pss-sha256") != want {
			t.Errorf("exponent %s: provable %v", e, !want)
		}
	}
	even := rsaSPKI(2048, usual)
	at := bytes.Index(even, must(asn1.Marshal(usual))) - 1 // the modulus's last byte
	even[at] &^= 1
	if provable(t, std64(even), "") {
		t.Error("an even modulus is provable")
	}
}

func TestProvableKey_RefusesMalformedSPKI(t *testing.T) {
	point := must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey().Bytes()
	edwards := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	usual, whole := big.NewInt(65537), []byte{0}
	good := spki(tlv(tagSequence, oidX25519), whole, point)
	numbers := rsaNumbers(2048, usual)
	for what, der := range map[string][]byte{
		"X25519":          good,
		"Ed25519":         spki(tlv(tagSequence, oidEd25519), whole, edwards),
		"RSA":             spki(tlv(tagSequence, oidRSA, null), whole, numbers),
		"RSA, once more":  rsaSPKI(2048, usual),
		"RSA, 4,096 bits": rsaSPKI(4096, usual),
	} {
		if !provable(t, std64(der), "") {
			t.Fatalf("the good key is none: %s", what)
		}
	}
	longLength := append([]byte{0x30, 0x81, byte(len(good) - 2)}, good[2:]...)
	indefinite := append(append([]byte{0x30, 0x80}, good[2:]...), 0, 0)
	for what, der := range map[string][]byte{
		"a byte behind":              append(bytes.Clone(good), 0),
		"a byte missing":             good[:len(good)-1],
		"only the tag":               good[:1],
		"a length not minimal":       longLength,
		"an indefinite length":       indefinite,
		"another tag":                append([]byte{0x31}, good[1:]...),
		"NULL parameters":            spki(tlv(tagSequence, oidX25519, null), whole, point),
		"parameters":                 spki(tlv(tagSequence, oidEd25519, tlv(tagOID, oidX25519)), whole, edwards),
		"unused bits":                spki(tlv(tagSequence, oidX25519), []byte{1}, append(bytes.Clone(point[:31]), point[31]&^1)),
		"too many unused bits":       spki(tlv(tagSequence, oidX25519), []byte{9}, point),
		"no unused bits' count":      tlv(tagSequence, tlv(tagSequence, oidX25519), tlv(tagBits, point)),
		"an empty key":               spki(tlv(tagSequence, oidX25519), whole, nil),
		"a short key":                spki(tlv(tagSequence, oidX25519), whole, point[:31]),
		"a long key":                 spki(tlv(tagSequence, oidX25519), whole, append(bytes.Clone(point), 0)),
		"a wrapped key":              spki(tlv(tagSequence, oidX25519), whole, tlv(0x04, point)),
		"X448":                       spki(tlv(tagSequence, oidX448), whole, bytes.Repeat([]byte{5}, 56)),
		"no algorithm":               tlv(tagSequence, tlv(tagBits, whole, point)),
		"an extra member":            tlv(tagSequence, tlv(tagSequence, oidX25519), tlv(tagBits, whole, point), null),
		"RSA without NULL":           spki(tlv(tagSequence, oidRSA), whole, numbers),
		"RSA, PSS only":              spki(tlv(tagSequence, oidPSS), whole, numbers),
		"RSA, a byte behind":         spki(tlv(tagSequence, oidRSA, null), whole, append(bytes.Clone(numbers), 0)),
		"RSA, modulus negative":      rsaWith(append([]byte{0xff}, bytes.Repeat([]byte{0x55}, 256)...)),
		"RSA, modulus zero":          rsaWith([]byte{0}),
		"RSA, modulus empty":         rsaWith(nil),
		"RSA, modulus not minimal":   rsaWith(append([]byte{0, 0}, bytes.Repeat([]byte{0xff}, 256)...)),
		"RSA, no exponent":           spki(tlv(tagSequence, oidRSA, null), whole, tlv(tagSequence, rsaInteger(usual))),
		"RSA, exponent not minimal":  spki(tlv(tagSequence, oidRSA, null), whole, tlv(tagSequence, tlv(tagInteger, append([]byte{0}, bytes.Repeat([]byte{0xff}, 256)...)), tlv(tagInteger, []byte{0, 3}))),
		"a P-384 key":                must(x509.MarshalPKIXPublicKey(&must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).PublicKey)),
		"a P-224 key":                must(x509.MarshalPKIXPublicKey(&must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey)),
		"the curve left out":         spki(tlv(tagSequence, tlv(tagOID, unhex("2a8648ce3d0201"))), whole, must(ecdh.P256().GenerateKey(rand.Reader)).PublicKey().Bytes()),
		"zeros":                      make([]byte, 100),
		"a private key":              must(x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, 32)))),
		"RSA, the numbers alone":     numbers,
		"Ed25519 by the OID of RSA":  spki(tlv(tagSequence, oidRSA, null), whole, edwards),
		"RSA by the OID of Ed25519":  spki(tlv(tagSequence, oidEd25519), whole, numbers),
		"nested, as if PEM were DER": tlv(tagSequence, good),
	} {
		if provable(t, std64(der), "") || provable(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "") {
			t.Errorf("%s is provable", what)
		}
	}
}

// rsaWith is an RSA key with the content of its modulus as it stands.
func rsaWith(modulus []byte) []byte {
	return spki(tlv(tagSequence, oidRSA, null), []byte{0}, tlv(tagSequence, tlv(tagInteger, modulus), tlv(tagInteger, []byte{1, 0, 1})))
}

func TestVerify_TakesPSSWithItsParametersOnly(t *testing.T) {
	o := owners()["rsa"]
	private := o.private.(*rsa.PrivateKey)
	key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
	pss := func(sum []byte, hash crypto.Hash, salt int) []byte {
		return must(rsa.SignPSS(rand.Reader, private, hash, sum, &rsa.PSSOptions{SaltLength: salt, Hash: hash}))
	}
	for what, c := range map[string]struct {
		sign func(transcript, sum []byte) []byte
		want bool
	}{
		"as it has to be":  {func(_, sum []byte) []byte { return pss(sum, crypto.SHA256, 32) }, true},
		"no salt":          {func(_, sum []byte) []byte { return pss(sum, crypto.SHA256, 0) }, false},
		"a salt of 20":     {func(_, sum []byte) []byte { return pss(sum, crypto.SHA256, 20) }, false},
		"a salt of 33":     {func(_, sum []byte) []byte { return pss(sum, crypto.SHA256, 33) }, false},
		"the longest salt": {func(_, sum []byte) []byte { return pss(sum, crypto.SHA256, rsa.PSSSaltLengthAuto) }, false},
		"SHA-512":          {func(t, _ []byte) []byte { sum := sha512.Sum512(t); return pss(sum[:], crypto.SHA512, 32) }, false},
		"PKCS #1 v1.5":     {func(_, sum []byte) []byte { return must(rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum)) }, false},
		"a hash of a hash": {func(_, sum []byte) []byte { again := sha256.Sum256(sum); return pss(again[:], crypto.SHA256, 32) }, false},
		"a zero in front":  {func(_, sum []byte) []byte { return append([]byte{0}, pss(sum, crypto.SHA256, 32)...) }, false},
		"the modulus added": {func(_, sum []byte) []byte {
			return new(big.Int).Add(new(big.Int).SetBytes(pss(sum, crypto.SHA256, 32)), private.N).Bytes()
		}, false},
		"zero":        {func(_, _ []byte) []byte { return make([]byte, 256) }, false},
		"the modulus": {func(_, _ []byte) []byte { return private.N.Bytes() }, false},
	} {
		challenge := must(key.Challenge(time.Now()))
		transcript := protocol.Transcript(challenge, &o.claim)
		sum := sha256.Sum256(transcript)
		if challenge.Verify(time.Now(), &o.claim, protocol.Proof{Sig: c.sign(transcript, sum[:])}) != c.want {
			t.Errorf("%s: accepted %v", what, !c.want)
		}
	}
}

func TestVerify_RefusesMalleatedEd25519(t *testing.T) {
	o := owners()["ed25519"]
	key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	for what, change := range map[string]func(sig []byte) []byte{
		"S plus the group's order": func(sig []byte) []byte {
			s := append(bytes.Clone(sig[:32]), little(new(big.Int).Add(bigHex(hex.EncodeToString(sig[32:])), order))...)
			return s
		},
		"S with its highest bit": func(sig []byte) []byte { return flippedBy(sig, 63, 0x80) },
		"R with its sign":        func(sig []byte) []byte { return flippedBy(sig, 31, 0x80) },
		"the neutral point":      func([]byte) []byte { return append(unhex(one), make([]byte, 32)...) },
	} {
		c := must(key.Challenge(time.Now()))
		p := must(protocol.Prove(o.private, received(c), &o.claim))
		if c.Verify(time.Now(), &o.claim, protocol.Proof{Sig: change(p.Sig)}) {
			t.Errorf("%s: accepted", what)
		}
	}
}

func flippedBy(b []byte, at int, bit byte) []byte {
	b = bytes.Clone(b)
	b[at] ^= bit
	return b
}
