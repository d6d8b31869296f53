package protocol_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// little is a number below 2^256, little-endian.
func little(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

func bigHex(text string) *big.Int {
	b := unhex(text)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// p25519 is 2^255 - 19.
var p25519 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// top sets the highest bit.
func top(raw []byte) []byte {
	raw = bytes.Clone(raw)
	raw[31] |= 0x80
	return raw
}

// checkRaw checks a raw key in its typed form and as SPKI.
func checkRaw(t *testing.T, alg string, raw []byte, want bool) {
	t.Helper()
	if provable(t, alg+":"+std64(raw), alg) != want {
		t.Errorf("%s:%x: provable %v", alg, raw, !want)
	}
	prefix := map[string]string{"x25519": "302a300506032b656e032100", "ed25519": "302a300506032b6570032100"}[alg]
	if len(raw) == 32 && provable(t, std64(append(unhex(prefix), raw...)), alg) != want {
		t.Errorf("SPKI of %s:%x: provable %v", alg, raw, !want)
	}
}

func TestX25519Key_PointsOfSmallOrderAreNone(t *testing.T) {
	private := must(ecdh.X25519().GenerateKey(rand.Reader))
	for _, text := range append(smallPoints, nonCanonicalSmall...) {
		for _, raw := range [][]byte{unhex(text), top(unhex(text))} {
			checkRaw(t, "x25519", raw, false)
			// They are what they are said to be: every private key makes zero of them.
			if _, err := private.ECDH(must(ecdh.X25519().NewPublicKey(raw))); err == nil {
				t.Errorf("%x is not of small order", raw)
			}
		}
	}
}

func TestX25519Key_HasOneEncoding(t *testing.T) {
	for n := range int64(19) {
		raw := little(new(big.Int).Add(p25519, big.NewInt(n)))
		checkRaw(t, "x25519", raw, false)
		checkRaw(t, "x25519", little(big.NewInt(n)), n > 1)
	}
	checkRaw(t, "x25519", little(new(big.Int).Sub(p25519, big.NewInt(2))), true)
	good := must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey().Bytes()
	checkRaw(t, "x25519", good, true)
	checkRaw(t, "x25519", top(good), false)
	checkRaw(t, "x25519", bytes.Repeat([]byte{0xff}, 32), false)
	for _, n := range []int{0, 1, 31, 33, 64} {
		checkRaw(t, "x25519", append(bytes.Clone(good), good...)[:n], false)
	}
}

// The server refuses an exchange that came to nothing even for a key that it should never have taken.
func TestVerify_RefusesZeroSecrets(t *testing.T) {
	for _, text := range smallPoints {
		c := must(protocol.UncheckedX25519(unhex(text)).Challenge(time.Now()))
		claim := &protocol.Claim{Authority: "chat.example", User: alice, PublicKey: []byte("x")}
		transcript := protocol.Transcript(c, claim)
		salt := sha256.Sum256(transcript)
		mac := hmac.New(sha256.New, must(hkdf.Key(sha256.New, make([]byte, 32), salt[:], "enigma-pop-v1 mac", 32)))
		mac.Write(transcript)
		if c.Verify(time.Now(), claim, protocol.Proof{Tag: mac.Sum(nil)}) {
			t.Errorf("anybody can prove %s", text)
		}
	}
}

func TestEd25519Key_PointsOfSmallOrderAreNone(t *testing.T) {
	for _, text := range append(smallEdwards, nonCanonicalSmall...) {
		for _, raw := range [][]byte{unhex(text), top(unhex(text))} {
			checkRaw(t, "ed25519", raw, false)
		}
	}
	// They are what they are said to be: with y = sin, doubling three times gives the neutral point, where y is one. The
	// doubling formula is y' = (y² + x²) / (2 - y² - x²·(-1)), with x² from the curve's equation.
	d := new(big.Int).ModInverse(big.NewInt(121666), p25519)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p25519)
	for _, text := range smallEdwards {
		y := bigHex(text)
		for range 3 {
			y = doubledY(y, d)
		}
		if y.Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%s is not of small order", text)
		}
	}
}

// doubledY is the y-coordinate of twice a point of -x² + y² = 1 + d·x²·y²: (y² + x²) / (2 + x² - y²).
func doubledY(y, d *big.Int) *big.Int {
	mod := func(n *big.Int) *big.Int { return n.Mod(n, p25519) }
	over := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, new(big.Int).ModInverse(mod(b), p25519))) }
	yy := mod(new(big.Int).Mul(y, y))
	xx := over(new(big.Int).Sub(yy, big.NewInt(1)), new(big.Int).Add(new(big.Int).Mul(d, yy), big.NewInt(1)))
	return over(new(big.Int).Add(yy, xx), new(big.Int).Sub(new(big.Int).Add(big.NewInt(2), xx), yy))
}

func TestEd25519Key_IsAPointInItsOneEncoding(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	checkRaw(t, "ed25519", public, true)
	negative := bytes.Clone(public)
	negative[31] ^= 0x80
	checkRaw(t, "ed25519", negative, true)
	for n := range int64(19) {
		checkRaw(t, "ed25519", little(new(big.Int).Add(p25519, big.NewInt(n))), false)
	}
	// About half of all numbers are no y of a point; the library knows them by refusing every signature of them.
	points := 0
	for n := range int64(64) {
		raw := little(big.NewInt(n + 2))
		if _, ok := protocol.ParseProvableKey([]byte("ed25519:" + std64(raw))); ok {
			points++
		}
	}
	if points < 16 || points > 48 {
		t.Errorf("%d of 64 numbers are points", points)
	}
	for _, n := range []int{0, 1, 31, 33, 64} {
		checkRaw(t, "ed25519", bytes.Clone(private)[:min(n, 64)], n == 32)
	}
}

// smallPoint returns the coordinates of the point of P-256 with the smallest x: y² = x³ - 3x + b.
func smallPoint() (x, y []byte) {
	params := elliptic.P256().Params()
	for n := int64(0); ; n++ {
		square := new(big.Int).Add(big.NewInt(n*n*n-3*n), params.B)
		if root := square.ModSqrt(square.Mod(square, params.P), params.P); root != nil {
			return big.NewInt(n).FillBytes(make([]byte, 32)), root.FillBytes(make([]byte, 32))
		}
	}
}

func TestP256Key_IsAnUncompressedPoint(t *testing.T) {
	key := must(ecdh.P256().GenerateKey(rand.Reader)).PublicKey().Bytes()
	x, y := key[1:33], key[33:]
	p := elliptic.P256().Params().P
	other := must(ecdh.P384().GenerateKey(rand.Reader)).PublicKey().Bytes()
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	// A point whose x is small enough that x + p fits: (x + p, y) is the same point in another encoding.
	smallX, smallY := smallPoint()
	aliased := new(big.Int).Add(new(big.Int).SetBytes(smallX), p).FillBytes(make([]byte, 32))
	for what, c := range map[string]struct {
		raw  []byte
		want bool
	}{
		"a point":               {key, true},
		"its negative":          {join([]byte{4}, x, new(big.Int).Sub(p, new(big.Int).SetBytes(y)).FillBytes(make([]byte, 32))), true},
		"a small x":             {join([]byte{4}, smallX, smallY), true},
		"x not reduced":         {join([]byte{4}, aliased, smallY), false},
		"off the curve":         {join([]byte{4}, x, x), false},
		"y plus one":            {flipped(key, 64), false},
		"zero":                  {join([]byte{4}, make([]byte, 64)), false},
		"infinity":              {[]byte{0}, false},
		"infinity, padded":      {make([]byte, 65), false},
		"compressed":            {join([]byte{2 + y[31]&1}, x), false},
		"hybrid":                {join([]byte{6 + y[31]&1}, x, y), false},
		"without the first 04":  {key[1:], false},
		"cut":                   {key[:64], false},
		"longer":                {join(key, []byte{0}), false},
		"of P-384":              {other, false},
		"of P-384, cut":         {other[:65], false},
		"x and y of full range": {join([]byte{4}, bytes.Repeat([]byte{0xff}, 64)), false},
	} {
		if provable(t, "p256:"+std64(c.raw), "p256") != c.want {
			t.Errorf("%s: provable %v", what, !c.want)
		}
		spki := append(unhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"), c.raw...)
		if len(c.raw) == 65 && provable(t, std64(spki), "p256") != c.want {
			t.Errorf("%s, SPKI: provable %v", what, !c.want)
		}
	}
}
