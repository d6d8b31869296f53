package protocol_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// vector is one proof in testdata/proof.json, made by another implementation.
type vector struct {
	Name          string
	Alg           string
	ClientPrivate string `json:"client_private_hex"`
	ServerPrivate string `json:"server_ephemeral_private_hex"`
	PublicKey     string `json:"public_key"`
	UserID        string `json:"user_id"`
	Authority     string
	EPK           string
	Nonce         string
	Exp           int64
	TranscriptSum string `json:"transcript_sha256_hex"`
	Tag, Sig      string
}

func vectors(t testing.TB) (list []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/proof.json")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil || len(list) == 0 {
		t.Fatalf("%d vectors, %v", len(list), err)
	}
	return list
}

// must panics for an error, in what cannot go wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func unhex(text string) []byte { return must(hex.DecodeString(text)) }
func url64(text string) []byte { return must(base64.RawURLEncoding.DecodeString(text)) }

// orNil is url64, with nil for what is absent.
func orNil(text string) []byte {
	if text == "" {
		return nil
	}
	return url64(text)
}

// curveOf returns the curve of an algorithm, nil for one that signs.
func curveOf(alg string) ecdh.Curve {
	switch alg {
	case protocol.AlgX25519:
		return ecdh.X25519()
	case protocol.AlgP256:
		return ecdh.P256()
	}
	return nil
}

// private is the client's key, nil if the vector does not give it.
func (v *vector) private() crypto.PrivateKey {
	switch {
	case v.ClientPrivate == "":
		return nil
	case v.Alg == protocol.AlgEd25519:
		return ed25519.NewKeyFromSeed(unhex(v.ClientPrivate))
	}
	return must(curveOf(v.Alg).NewPrivateKey(unhex(v.ClientPrivate)))
}

// challenge is the server's.
func (v *vector) challenge(t testing.TB) *protocol.Challenge {
	t.Helper()
	key, ok := protocol.ParseProvableKey([]byte(v.PublicKey))
	if !ok || key.Alg() != v.Alg {
		t.Fatalf("%s: key of alg %q, provable %v", v.Name, key.Alg(), ok)
	}
	var secret *ecdh.PrivateKey
	if v.ServerPrivate != "" {
		secret = must(curveOf(v.Alg).NewPrivateKey(unhex(v.ServerPrivate)))
	}
	return protocol.FixedChallenge(key, secret, url64(v.Nonce), v.Exp)
}

func (v *vector) claim() *protocol.Claim {
	return &protocol.Claim{Authority: v.Authority, User: protocol.NewUserID([]byte(v.PublicKey)), PublicKey: []byte(v.PublicKey)}
}

func (v *vector) proof() protocol.Proof { return protocol.Proof{Tag: orNil(v.Tag), Sig: orNil(v.Sig)} }

func (v *vector) at() time.Time { return time.Unix(v.Exp-10, 0) }

func TestProof_Vectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			c, claim := v.challenge(t), v.claim()
			if claim.User.String() != v.UserID {
				t.Errorf("user id %s, want %s", claim.User, v.UserID)
			}
			if !bytes.Equal(c.EPK, url64(v.EPK)) {
				t.Errorf("epk %x", c.EPK)
			}
			if sum := sha256.Sum256(protocol.Transcript(c, claim)); hex.EncodeToString(sum[:]) != v.TranscriptSum {
				t.Errorf("SHA-256 of the transcript %x, want %s", sum, v.TranscriptSum)
			}
			if private := v.private(); private != nil {
				p, err := protocol.Prove(private, c, claim)
				if err != nil || !bytes.Equal(p.Tag, v.proof().Tag) || !bytes.Equal(p.Sig, v.proof().Sig) {
					t.Errorf("proof %x, %x, %v", p.Tag, p.Sig, err)
				}
			}
			if !c.Verify(v.at(), claim, v.proof()) {
				t.Error("refused")
			}
			if c.Verify(v.at(), claim, v.proof()) {
				t.Error("accepted a second time")
			}
		})
	}
}
