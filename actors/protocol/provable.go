package protocol

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
)

// The algorithms of a proof, one for each kind of provable key.
const (
	AlgX25519  = "x25519"
	AlgP256    = "p256"
	AlgEd25519 = "ed25519"
	AlgRSA     = "rsa-pss-sha256"
)

// Bounds of an RSA modulus, in bits.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// ProvableKey is a public key whose owner can prove that they hold its private key. The zero value is none.
type ProvableKey struct {
	alg       string
	agreement *ecdh.PublicKey   // of x25519 and p256
	ed25519   ed25519.PublicKey // of ed25519
	rsa       *rsa.PublicKey    // of rsa-pss-sha256
}

// Alg returns the algorithm of the key's proofs; the empty string for the zero key.
func (k ProvableKey) Alg() string { return k.alg }

// ParseProvableKey reads a public key as it was logged in, and returns false for one that cannot be proved, which is a
// valid key all the same. These can, with or without white space around the whole string:
//
//	x25519:KEY, p256:KEY, ed25519:KEY    the raw key, in base64url or base64
//	-----BEGIN PUBLIC KEY-----           SPKI (RFC 5280) as PEM (RFC 7468): one block, no headers
//	base64 of such PEM, base64 of DER    SPKI
//
// Base64 has zero trailing bits, its padding whole or not at all, and no white space within; in PEM, lines may end where
// they like.
//
// A key has one encoding only, as a client derives its id from the string: coordinates at or above the field's prime, the
// bit of an X25519 key that implementations ignore, and DER that is not what an encoder makes of the same key (trailing
// bytes, lengths or integers not minimal, other parameters) are refused. So are points of small order, which prove nothing,
// what is no point of its curve, compressed points, and RSA keys other than of 2,048 to 4,096 bits with an odd exponent
// from 3 up.
func ParseProvableKey(key []byte) (ProvableKey, bool) {
	key = bytes.Trim(key, whiteSpace)
	for _, typed := range typedKeys {
		if raw, ok := bytes.CutPrefix(key, []byte(typed.prefix)); ok {
			return typed.parse(raw)
		}
	}
	der, ok := spki(key)
	if !ok {
		return ProvableKey{}, false
	}
	return parseSPKI(der)
}

// whiteSpace is what a key may have in it that a person does not see.
const whiteSpace = " \t\r\n"

// typedKeys are the kinds of keys whose string names them.
var typedKeys = []struct {
	prefix string
	parse  func(text []byte) (ProvableKey, bool)
}{
	{"x25519:", typedKey(x25519Key)},
	{"p256:", typedKey(p256Key)},
	{"ed25519:", typedKey(ed25519Key)},
}

// typedKey returns a parser of the base64 of a raw key, in either alphabet.
func typedKey(parse func(raw []byte) (ProvableKey, bool)) func([]byte) (ProvableKey, bool) {
	return func(text []byte) (ProvableKey, bool) {
		raw, ok := decode64(base64.RawURLEncoding, text)
		if !ok {
			if raw, ok = decode64(base64.RawStdEncoding, text); !ok {
				return ProvableKey{}, false
			}
		}
		return parse(raw)
	}
}

// decode64 decodes strict base64, with its padding whole or absent. encoding is without.
func decode64(encoding *base64.Encoding, text []byte) ([]byte, bool) {
	// The package skips line breaks, in strict mode too.
	if len(text) == 0 || bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	if text[len(text)-1] == '=' {
		encoding = encoding.WithPadding(base64.StdPadding)
	}
	raw, err := encoding.Strict().AppendDecode(nil, text)
	return raw, err == nil
}

// spki returns the DER of a key in any of the forms of SPKI.
func spki(key []byte) (der []byte, ok bool) {
	if bytes.HasPrefix(key, []byte(pemBegin)) {
		return decodePEM(key)
	}
	raw, ok := decode64(base64.RawStdEncoding, key)
	if !ok {
		return nil, false
	}
	if text := bytes.Trim(raw, whiteSpace); bytes.HasPrefix(text, []byte(pemBegin)) {
		return decodePEM(text)
	}
	return raw, true
}

// The lines around the base64 of an SPKI in PEM (RFC 7468, section 13).
const (
	pemBegin = "-----BEGIN PUBLIC KEY-----"
	pemEnd   = "-----END PUBLIC KEY-----"
)

// decodePEM returns what a PEM text holds that is one block and nothing else. Package pem would skip text before the
// block, take headers, and be generous with the base64.
func decodePEM(text []byte) ([]byte, bool) {
	body, begins := bytes.CutPrefix(text, []byte(pemBegin))
	body, ends := bytes.CutSuffix(body, []byte(pemEnd))
	if !begins || !ends {
		return nil, false
	}
	lines := bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, body)
	return decode64(base64.RawStdEncoding, lines)
}

// parseSPKI reads a DER SubjectPublicKeyInfo.
func parseSPKI(der []byte) (ProvableKey, bool) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return ProvableKey{}, false
	}
	// What is encoded in another way than the library encodes it has a second string, and so a second id.
	canonical, err := x509.MarshalPKIXPublicKey(parsed)
	if err != nil || !bytes.Equal(canonical, der) {
		return ProvableKey{}, false
	}
	switch k := parsed.(type) {
	case *ecdh.PublicKey:
		return x25519Key(k.Bytes()) // the only curve that the library reads as such a key
	case ed25519.PublicKey:
		return ed25519Key(k)
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return ProvableKey{}, false
		}
		raw, err := k.Bytes()
		if err != nil {
			return ProvableKey{}, false
		}
		return p256Key(raw)
	case *rsa.PublicKey:
		return rsaKey(k)
	}
	return ProvableKey{}, false
}
