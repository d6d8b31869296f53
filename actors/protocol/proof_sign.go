package protocol

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// What [Prove] refuses.
var (
	// ErrNotProvable: the public key is of no kind that can be proved.
	ErrNotProvable = errors.New("public key cannot be proved")
	// ErrWrongKey: the private key does not belong to the public key, or is of a type that cannot be used.
	ErrWrongKey = errors.New("private key does not belong to the public key")
	// ErrChallenge: the challenge does not fit the key, or is malformed.
	ErrChallenge = errors.New("challenge does not fit the key")
)

const proofHash = crypto.SHA256

var pssOptions = &rsa.PSSOptions{SaltLength: pssSaltLen, Hash: proofHash}

// Prove answers a challenge. The claim is the client's own: what it dialled and whom it means to be, not what a server
// says. private is an *ecdh.PrivateKey of X25519 or P-256, an *ecdsa.PrivateKey of P-256, an ed25519.PrivateKey, an
// *rsa.PrivateKey, or another crypto.Signer for keys of the last two kinds.
func Prove(private crypto.PrivateKey, c *Challenge, claim *Claim) (Proof, error) {
	key, ok := ParseProvableKey(claim.PublicKey)
	switch {
	case !ok:
		return Proof{}, ErrNotProvable
	case c.Alg != key.alg || len(c.Nonce) != NonceLen || !claim.fits():
		return Proof{}, ErrChallenge
	case key.agreement != nil:
		return agree(private, key.agreement, c, claim)
	case len(c.EPK) != 0:
		return Proof{}, ErrChallenge
	}
	return sign(private, key, Transcript(c, claim))
}

// agree makes the proof of a key-agreement key.
func agree(private crypto.PrivateKey, public *ecdh.PublicKey, c *Challenge, claim *Claim) (Proof, error) {
	if k, ok := private.(*ecdsa.PrivateKey); ok { // as which PKCS #8 is read
		converted, err := k.ECDH()
		if err != nil {
			return Proof{}, fmt.Errorf("%w: %w", ErrWrongKey, err)
		}
		private = converted
	}
	own, ok := private.(*ecdh.PrivateKey)
	if !ok || !own.PublicKey().Equal(public) {
		return Proof{}, ErrWrongKey
	}
	ephemeral, err := public.Curve().NewPublicKey(c.EPK)
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrChallenge, err)
	}
	tag, ok := agreementTag(own, ephemeral, Transcript(c, claim))
	if !ok {
		return Proof{}, ErrChallenge
	}
	return Proof{Tag: tag}, nil
}

// sign makes the proof of a signature key.
func sign(private crypto.PrivateKey, key ProvableKey, transcript []byte) (Proof, error) {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Proof{}, ErrWrongKey
	}
	own, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	var sig []byte
	var err error
	switch {
	case ok && key.alg == AlgEd25519 && own.Equal(key.ed25519):
		sig, err = signer.Sign(rand.Reader, transcript, crypto.Hash(0)) // Ed25519 hashes by itself
	case ok && key.alg == AlgRSA && own.Equal(key.rsa):
		sum := sha256.Sum256(transcript)
		sig, err = signer.Sign(rand.Reader, sum[:], pssOptions)
	default:
		return Proof{}, ErrWrongKey
	}
	if err != nil {
		return Proof{}, fmt.Errorf("sign: %w", err)
	}
	return Proof{Sig: sig}, nil
}
