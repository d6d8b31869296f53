package protocol

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"math"
	"time"
)

// A proof of key possession goes like this. The server makes a challenge ([ProvableKey.Challenge]). Both sides write the
// same transcript: it names everything that the proof is about, so that a proof is worth nothing on another connection,
// for another user, or at another server. The client answers with a MAC of the transcript, under a key that only the two
// private keys of an exchange can derive, or with a signature of it ([Prove]); the server checks it ([Challenge.Verify]).

const (
	// NonceLen is the length of a challenge's nonce in bytes.
	NonceLen = 32
	// ChallengeLife is how long a challenge may be answered. A connection has less time than that.
	ChallengeLife = 30 * time.Second

	proofVersion = "enigma-pop-v1"
	proofRole    = "client"
	macInfo      = proofVersion + " mac"
	macKeyLen    = 32
	pssSaltLen   = 32
)

// Challenge is what a server asks for proof with, fresh for every connection.
type Challenge struct {
	Alg   string // of the proof
	EPK   []byte // for key agreement: an ephemeral public key of the same curve; else empty
	Nonce []byte // NonceLen random bytes
	Exp   int64  // when it expires, Unix seconds

	// Of the server that made it; zero elsewhere, and after Verify.
	key    ProvableKey
	secret *ecdh.PrivateKey // of EPK
	made   time.Time
}

// Claim is what a proof is about, beside the challenge.
type Claim struct {
	Authority string // the host that the client dialled, as [Authority] writes it
	User      UserID
	PublicKey []byte // as it was logged in
}

// Proof answers a challenge: with a tag for key agreement, with a signature else. The zero Proof declines.
type Proof struct {
	Tag, Sig []byte // nil if absent
}

// Declined reports whether the client will not prove anything.
func (p Proof) Declined() bool { return p.Tag == nil && p.Sig == nil }

// Challenge makes a challenge for the owner of the key. now may carry a monotonic reading, which then counts.
func (k ProvableKey) Challenge(now time.Time) (*Challenge, error) {
	c := &Challenge{Alg: k.alg, Nonce: make([]byte, NonceLen), Exp: now.Add(ChallengeLife).Unix(), key: k, made: now}
	rand.Read(c.Nonce) // never fails
	if k.agreement == nil {
		return c, nil
	}
	secret, err := k.agreement.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	c.secret, c.EPK = secret, secret.PublicKey().Bytes()
	return c, nil
}

// Transcript returns what a proof authenticates: each part with its length in front, so that no two sets of parts have
// the same transcript. No part may be longer than 65,535 bytes.
func Transcript(c *Challenge, claim *Claim) []byte {
	var user [UserIDLen]byte
	var exp [8]byte
	binary.BigEndian.PutUint64(exp[:], uint64(c.Exp))
	t := make([]byte, 0, 256+len(claim.Authority)+len(claim.PublicKey)+len(c.EPK))
	for _, part := range [...][]byte{
		[]byte(proofVersion), []byte(c.Alg), []byte(proofRole), []byte(claim.Authority), claim.User.AppendTo(user[:0]),
		claim.PublicKey, c.EPK, c.Nonce, exp[:],
	} {
		t = binary.BigEndian.AppendUint16(t, uint16(len(part)))
		t = append(t, part...)
	}
	return t
}

// fits reports whether the lengths of all parts can be written.
func (claim *Claim) fits() bool {
	return len(claim.Authority) <= math.MaxUint16 && len(claim.PublicKey) <= math.MaxUint16
}

// Verify checks the answer to a challenge that this process made. A challenge can be answered once: whatever the outcome,
// every further call is false. So is one after [ChallengeLife], with an empty authority, or for a proof that declines.
func (c *Challenge) Verify(now time.Time, claim *Claim, p Proof) bool {
	key, secret := c.key, c.secret
	c.key, c.secret = ProvableKey{}, nil
	if now.Sub(c.made) >= ChallengeLife || claim.Authority == "" || !claim.fits() {
		return false
	}
	if (p.Tag != nil) == (p.Sig != nil) {
		return false
	}
	t := Transcript(c, claim)
	switch key.alg {
	case AlgX25519, AlgP256:
		tag, ok := agreementTag(secret, key.agreement, t)
		return ok && hmac.Equal(tag, p.Tag)
	case AlgEd25519:
		return ed25519.Verify(key.ed25519, t, p.Sig)
	case AlgRSA:
		sum := sha256.Sum256(t)
		return rsa.VerifyPSS(key.rsa, proofHash, sum[:], p.Sig, pssOptions) == nil
	}
	return false // of the zero key, or used
}

// agreementTag is the MAC of a transcript under the key that both sides of the exchange can derive. It returns false if
// the exchange has come to nothing: then anybody could.
func agreementTag(private *ecdh.PrivateKey, public *ecdh.PublicKey, transcript []byte) ([]byte, bool) {
	z, err := private.ECDH(public)
	if err != nil || isZero(z) {
		return nil, false
	}
	salt := sha256.Sum256(transcript)
	key, err := hkdf.Key(sha256.New, z, salt[:], macInfo, macKeyLen)
	if err != nil {
		return nil, false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(transcript) // never fails
	return mac.Sum(nil), true
}

// isZero reports whether all bytes are zero, in constant time.
func isZero(z []byte) bool {
	return subtle.ConstantTimeCompare(z, make([]byte, len(z))) == 1
}
