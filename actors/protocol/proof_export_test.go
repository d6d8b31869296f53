package protocol

import (
	"crypto/ecdh"
	"time"
)

// FixedChallenge is a challenge of a server without randomness, for the vectors.
func FixedChallenge(key ProvableKey, secret *ecdh.PrivateKey, nonce []byte, exp int64) *Challenge {
	c := &Challenge{Alg: key.alg, Nonce: nonce, Exp: exp, key: key, secret: secret, made: time.Unix(exp, 0).Add(-ChallengeLife)}
	if secret != nil {
		c.EPK = secret.PublicKey().Bytes()
	}
	return c
}

// Raw returns the bytes of a key's point, or of its modulus.
func (k ProvableKey) Raw() []byte {
	switch {
	case k.agreement != nil:
		return k.agreement.Bytes()
	case k.rsa != nil:
		return k.rsa.N.Bytes()
	}
	return k.ed25519
}

// UncheckedX25519 is a key that was not checked for its order.
func UncheckedX25519(raw []byte) ProvableKey {
	key, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		panic(err)
	}
	return ProvableKey{alg: AlgX25519, agreement: key}
}
