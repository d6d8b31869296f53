package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Prover proves to a server that this user holds the private key of its public key. It is called once per connection,
// never twice at the same time, and must heed ctx: the server waits 10 s.
//
// An error ends the attempt to connect: [Dial] returns it, a reconnect is tried again later.
type Prover interface {
	Prove(ctx context.Context, c Challenge) (Proof, error)
}

// Challenge is what a server asks for proof with. It is fresh for every connection.
type Challenge struct {
	Alg       string    // "x25519", "p256", "ed25519" or "rsa-pss-sha256"
	EPK       []byte    // the server's ephemeral public key, for key agreement; else empty
	Nonce     []byte    // 32 bytes
	Exp       int64     // when it expires, in Unix seconds
	Authority string    // canonical form of the host that was dialled; from the client's own URL, not from the server
	UserID    string    // the user that connects
	Received  time.Time // when it came
}

// Proof is the answer to a [Challenge]: a Tag for key agreement, a Sig for signature keys. A zero Proof declines.
type Proof struct {
	Tag []byte
	Sig []byte
}

const nonceLen = 32

// challenge reads a challenge frame.
func (f *frame) challenge(authority, userID string) (c Challenge, err error) {
	c = Challenge{Alg: f.Alg, Exp: f.Exp, Authority: authority, UserID: userID, Received: time.Now()}
	strict := base64.RawURLEncoding.Strict()
	if c.EPK, err = strict.DecodeString(f.EPK); err != nil {
		return c, breach("challenge: epk")
	}
	if c.Nonce, err = strict.DecodeString(f.Nonce); err != nil || len(c.Nonce) != nonceLen {
		return c, breach("challenge: nonce")
	}
	if c.Alg == "" {
		return c, breach("challenge: no alg")
	}
	return c, nil
}

// frame returns the proof frame.
func (p Proof) frame() ([]byte, error) {
	out, err := json.Marshal(struct {
		Type string `json:"type"`
		Tag  string `json:"tag,omitempty"`
		Sig  string `json:"sig,omitempty"`
	}{"proof", base64.RawURLEncoding.EncodeToString(p.Tag), base64.RawURLEncoding.EncodeToString(p.Sig)})
	if err == nil && len(out) > protocol.MaxProofFrame {
		err = breach("proof of %d bytes", len(out))
	}
	return out, err
}
