package client

import (
	"context"
	"crypto"
	"encoding/base64"
	"fmt"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Prover proves to a server that this user holds the private key of its public key. It is called once per connection,
// never twice at the same time, and must heed ctx: the server waits 10 s. [KeyProver] is one that has the key at hand.
//
// The claim holds what the client itself knows: the authority of the host that it dialled, and the user. The public key
// is for the Prover to fill in. A zero Proof declines.
//
// An error ends the attempt to connect: [Dial] returns it, a reconnect is tried again later.
type Prover interface {
	Prove(ctx context.Context, c *protocol.Challenge, claim protocol.Claim) (protocol.Proof, error)
}

// KeyProver returns a Prover for a public key as it was logged in and its private key, of a type that [protocol.Prove]
// takes. Once a user has proved possession of its key, a server asks for it every time.
func KeyProver(publicKey string, private crypto.PrivateKey) Prover {
	return keyProver{publicKey, private}
}

type keyProver struct {
	public  string
	private crypto.PrivateKey
}

func (p keyProver) Prove(_ context.Context, c *protocol.Challenge, claim protocol.Claim) (protocol.Proof, error) {
	claim.PublicKey = []byte(p.public)
	if protocol.NewUserID(claim.PublicKey) != claim.User {
		return protocol.Proof{}, fmt.Errorf("%w: it is not that of the user who connects", ErrKeyMismatch)
	}
	return protocol.Prove(p.private, c, &claim)
}

// challenge reads a challenge frame.
func (f *frame) challenge() (c *protocol.Challenge, err error) {
	c = &protocol.Challenge{Alg: f.Alg, Exp: f.Exp}
	strict := base64.RawURLEncoding.Strict()
	if c.EPK, err = strict.DecodeString(f.EPK); err != nil {
		return nil, breach("challenge: epk")
	}
	if c.Nonce, err = strict.DecodeString(f.Nonce); err != nil || len(c.Nonce) != protocol.NonceLen {
		return nil, breach("challenge: nonce")
	}
	if c.Alg == "" {
		return nil, breach("challenge: no alg")
	}
	return c, nil
}
