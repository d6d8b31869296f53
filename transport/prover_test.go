package transport_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// host is what the tests' requests name, and so what proofs are bound to.
const host = "enigma.localhost"

const offerV1 = "Sec-WebSocket-Protocol: " + protocol.Subprotocol

// keyPair is a user who can prove possession of its key.
type keyPair struct {
	private crypto.PrivateKey
	key     string
}

func (k keyPair) id() protocol.UserID { return protocol.NewUserID([]byte(k.key)) }

// must panics for an error, in what cannot go wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newX25519 is the usual key pair.
func newX25519() keyPair {
	k := must(ecdh.X25519().GenerateKey(rand.Reader))
	return keyPair{k, "x25519:" + base64.RawURLEncoding.EncodeToString(k.PublicKey().Bytes())}
}

// keyPairs has one of each kind.
var keyPairs = sync.OnceValue(func() map[string]keyPair {
	p := must(ecdh.P256().GenerateKey(rand.Reader))
	pub, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	r := must(rsa.GenerateKey(rand.Reader, 2048))
	return map[string]keyPair{
		"x25519":         newX25519(),
		"p256":           {p, "p256:" + base64.RawURLEncoding.EncodeToString(p.PublicKey().Bytes())},
		"ed25519":        {e, "ed25519:" + base64.StdEncoding.EncodeToString(pub)},
		"rsa-pss-sha256": {r, base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&r.PublicKey)))},
	}
})

// challenge reads the challenge, which is the first frame on a connection whose key can be proved.
func (c *wsConn) challenge() *protocol.Challenge {
	c.t.Helper()
	f, err := c.read()
	if err != nil {
		c.t.Fatalf("%v, want a challenge", err)
	}
	return challengeOf(c.t, f.payload)
}

func challengeOf(t testing.TB, frame []byte) *protocol.Challenge {
	t.Helper()
	var m struct {
		Type, Alg, EPK, Nonce string
		Exp                   int64
	}
	if json.Unmarshal(frame, &m) != nil || m.Type != "challenge" {
		t.Fatalf("got %q, want a challenge", frame)
	}
	decode := base64.RawURLEncoding.DecodeString
	return &protocol.Challenge{Alg: m.Alg, EPK: must(decode(m.EPK)), Nonce: must(decode(m.Nonce)), Exp: m.Exp}
}

// proof is the frame that answers a challenge for somebody who has dialled authority.
func (k keyPair) proof(t testing.TB, c *protocol.Challenge, authority string) string {
	t.Helper()
	p, err := protocol.Prove(k.private, c, &protocol.Claim{Authority: authority, User: k.id(), PublicKey: []byte(k.key)})
	if err != nil {
		t.Fatal(err)
	}
	return string(protocol.AppendProof(nil, p))
}

// prove answers the challenge.
func (c *wsConn) prove(k keyPair) {
	c.t.Helper()
	c.sendText(k.proof(c.t, c.challenge(), host))
}

func (c *wsConn) wantReady(proven bool) {
	c.t.Helper()
	c.want(string(protocol.AppendReady(nil, c.id, proven, protocol.DefaultLimits())))
	c.want(`{"type":"drained"}`)
}

// wantRefusal expects what there is for want of a proof, and nothing before it.
func (c *wsConn) wantRefusal() {
	c.t.Helper()
	c.want(string(protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil)))
	c.wantClose(4401)
}

// wantPlainRefusal is the same on the plain profile.
func (c *wsConn) wantPlainRefusal() {
	c.t.Helper()
	c.wantError(protocol.CodeProofRequired, nil)
	c.wantClose(4401)
}

// echoed sends a message from the conn to itself and waits for it, on v1.
func (c *wsConn) echoed(payload string) {
	c.t.Helper()
	c.sendText(fmt.Sprintf(`{"type":"send","id":%q,"to":"%s","payload":%q}`, payload, c.id, payload))
	f, err := c.read()
	if err != nil || !bytes.Contains(f.payload, []byte(`"type":"message"`)) || !bytes.Contains(f.payload, []byte(payload)) {
		c.t.Fatalf("got %d %q, %v, want the message %q", f.op, f.payload, err, payload)
	}
}
