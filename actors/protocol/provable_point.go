package protocol

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"math/big"
	"slices"
)

// x25519Key takes the u-coordinate of a Curve25519 point (RFC 7748, section 5), little-endian.
func x25519Key(raw []byte) (ProvableKey, bool) {
	if !isReduced(raw) || slices.ContainsFunc(smallU, func(u []byte) bool { return bytes.Equal(u, raw) }) {
		return ProvableKey{}, false
	}
	key, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return ProvableKey{}, false
	}
	return ProvableKey{alg: AlgX25519, agreement: key}, true
}

// p256Key takes a point of P-256, uncompressed. The library refuses what is not on the curve, the point at infinity and
// coordinates that are not reduced; the curve's order is prime, so there are no points of small order.
func p256Key(raw []byte) (ProvableKey, bool) {
	key, err := ecdh.P256().NewPublicKey(raw)
	if err != nil {
		return ProvableKey{}, false
	}
	return ProvableKey{alg: AlgP256, agreement: key}, true
}

// ed25519Key takes a compressed point of edwards25519 (RFC 8032, section 5.1.2): the y-coordinate, little-endian, and the
// sign of x in the highest bit.
func ed25519Key(raw []byte) (ProvableKey, bool) {
	if len(raw) != ed25519.PublicKeySize {
		return ProvableKey{}, false
	}
	y := slices.Clone(raw)
	y[len(y)-1] &^= signBit
	// With x = 0 the sign is redundant, but those two points are of small order anyway.
	if !isReduced(y) || !isEdwardsY(y) || slices.ContainsFunc(smallY, func(small []byte) bool { return bytes.Equal(small, y) }) {
		return ProvableKey{}, false
	}
	return ProvableKey{alg: AlgEd25519, ed25519: slices.Clone(raw)}, true
}

// rsaKey takes an RSA key of a size that is neither weak nor slow.
func rsaKey(key *rsa.PublicKey) (ProvableKey, bool) {
	bits := key.N.BitLen()
	// With the exponent 1 everything is its own signature; an even exponent or modulus makes no RSA key.
	ok := bits >= minRSABits && bits <= maxRSABits && key.E >= 3 && key.E&1 == 1 && key.N.Bit(0) == 1
	if !ok {
		return ProvableKey{}, false
	}
	return ProvableKey{alg: AlgRSA, rsa: key}, true
}

// signBit is the bit above the 255 of a field element.
const signBit = 0x80

// fieldPrime is 2^255 - 19, over which both of the curves 25519 are.
var fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// isReduced reports whether raw is 32 bytes, little-endian, that are below the prime.
func isReduced(raw []byte) bool {
	return len(raw) == 32 && littleEndian(raw).Cmp(fieldPrime) < 0
}

func littleEndian(raw []byte) *big.Int {
	b := slices.Clone(raw)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// edwardsD is the constant of edwards25519, -121665/121666.
var edwardsD = func() *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), fieldPrime)
	return d.Mod(d.Mul(d, big.NewInt(-121665)), fieldPrime)
}()

// isEdwardsY reports whether edwards25519 has a point with this y-coordinate: whether x² = (y²-1)/(dy²+1) has a root. The
// quotient is a square exactly if the product is one; the divisor is never zero, for -1/d is no square.
func isEdwardsY(y []byte) bool {
	one := big.NewInt(1)
	square := littleEndian(y)
	square.Mod(square.Mul(square, square), fieldPrime)
	above := new(big.Int).Sub(square, one)
	below := square.Add(square.Mul(square, edwardsD), one)
	product := above.Mul(above, below)
	return big.Jacobi(product.Mod(product, fieldPrime), fieldPrime) >= 0
}

// smallU are the u-coordinates of the points of Curve25519 and its twist whose order divides 8, and smallY the
// y-coordinates of such points of edwards25519, as they are encoded. Multiplied by any private key, or by the cofactor,
// they become one and the same point, which therefore shows nothing of the key.
var (
	smallU = points(
		"0000000000000000000000000000000000000000000000000000000000000000", // order 2
		"0100000000000000000000000000000000000000000000000000000000000000", // order 4
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // -1: order 4, on the twist
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", // order 8
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", // order 8
	)
	smallY = points(
		"0100000000000000000000000000000000000000000000000000000000000000", // order 1
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // -1: order 2
		"0000000000000000000000000000000000000000000000000000000000000000", // order 4
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	)
)

func points(encoded ...string) (list [][]byte) {
	for _, text := range encoded {
		raw, err := hex.DecodeString(text)
		if err != nil {
			panic(err) // a constant above
		}
		list = append(list, raw)
	}
	return list
}
