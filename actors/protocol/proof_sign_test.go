package protocol_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// owner is a user with a key pair.
type owner struct {
	private crypto.PrivateKey
	claim   protocol.Claim
}

var owners = sync.OnceValue(func() map[string]owner {
	x := must(ecdh.X25519().GenerateKey(rand.Reader))
	p := must(ecdh.P256().GenerateKey(rand.Reader))
	d := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	pub, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	r := must(rsa.GenerateKey(rand.Reader, 2048))
	return map[string]owner{
		"x25519":          newOwner(x, "x25519:"+base64.StdEncoding.EncodeToString(x.PublicKey().Bytes())),
		"p256":            newOwner(p, "p256:"+base64.RawURLEncoding.EncodeToString(p.PublicKey().Bytes())),
		"p256 as ecdsa":   newOwner(d, string(pemOf(&d.PublicKey))),
		"ed25519":         newOwner(e, base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(pub)))),
		"rsa":             newOwner(r, base64.StdEncoding.EncodeToString(pemOf(&r.PublicKey))),
		"ed25519, hidden": newOwner(hidden{e}, "ed25519:"+base64.RawURLEncoding.EncodeToString(pub)),
		"rsa, hidden":     newOwner(hidden{r}, string(pemOf(&r.PublicKey))),
	}
})

// hidden is a key that only signs, as one in a token does.
type hidden struct{ crypto.Signer }

func newOwner(private crypto.PrivateKey, public string) owner {
	return owner{private, protocol.Claim{Authority: "chat.example:8443", User: protocol.NewUserID([]byte(public)), PublicKey: []byte(public)}}
}

func pemOf(public any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))})
}

// received is what a client knows of a challenge.
func received(c *protocol.Challenge) *protocol.Challenge {
	return &protocol.Challenge{Alg: c.Alg, EPK: c.EPK, Nonce: c.Nonce, Exp: c.Exp}
}

func TestProof_OfFreshKeys(t *testing.T) {
	for name, o := range owners() {
		key, ok := protocol.ParseProvableKey(o.claim.PublicKey)
		if !ok {
			t.Errorf("%s: not provable", name)
			continue
		}
		now := time.Now()
		first, second := must(key.Challenge(now)), must(key.Challenge(now))
		if bytes.Equal(first.Nonce, second.Nonce) || len(first.Nonce) != 32 || len(first.EPK) > 0 && bytes.Equal(first.EPK, second.EPK) {
			t.Errorf("%s: challenges are not fresh", name)
		}
		p, err := protocol.Prove(o.private, received(first), &o.claim)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !first.Verify(now, &o.claim, p) {
			t.Errorf("%s: refused", name)
		}
		if second.Verify(now, &o.claim, p) {
			t.Errorf("%s: accepted on another connection", name)
		}
	}
}

func TestProve_RefusesWhatDoesNotFit(t *testing.T) {
	all := owners()
	for name, o := range all {
		key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
		c := received(must(key.Challenge(time.Now())))
		for other, stranger := range all {
			if other == name {
				continue
			}
			if same, _ := protocol.ParseProvableKey(stranger.claim.PublicKey); bytes.Equal(same.Raw(), key.Raw()) {
				continue
			}
			if _, err := protocol.Prove(stranger.private, c, &o.claim); !errors.Is(err, protocol.ErrWrongKey) {
				t.Errorf("%s with the key of %s: %v", name, other, err)
			}
			if _, err := protocol.Prove(o.private, c, &stranger.claim); err == nil {
				t.Errorf("%s to a claim of %s", name, other)
			}
		}
		for what, private := range map[string]crypto.PrivateKey{"none": nil, "text": "secret"} {
			if _, err := protocol.Prove(private, c, &o.claim); !errors.Is(err, protocol.ErrWrongKey) {
				t.Errorf("%s with %s: %v", name, what, err)
			}
		}
		for what, change := range map[string]func(*protocol.Challenge){
			"alg":        func(c *protocol.Challenge) { c.Alg = "x448" },
			"nonce":      func(c *protocol.Challenge) { c.Nonce = c.Nonce[:31] },
			"longer epk": func(c *protocol.Challenge) { c.EPK = append(bytes.Clone(c.EPK), 0) },
		} {
			bad := *c
			change(&bad)
			if _, err := protocol.Prove(o.private, &bad, &o.claim); !errors.Is(err, protocol.ErrChallenge) {
				t.Errorf("%s with another %s: %v", name, what, err)
			}
		}
		unprovable := o.claim
		unprovable.PublicKey = []byte("alice")
		if _, err := protocol.Prove(o.private, c, &unprovable); !errors.Is(err, protocol.ErrNotProvable) {
			t.Errorf("%s as alice: %v", name, err)
		}
	}
}

// A server that sends a point of small order would learn nothing, but anybody could make the same proof.
func TestProve_RefusesWorthlessEphemeralKeys(t *testing.T) {
	for curve, points := range map[string][]string{
		"x25519": append(smallPoints, nonCanonicalSmall...),
		"p256":   {"00", "04" + zero + zero, "02" + zero, zero + zero + "00"},
	} {
		o := owners()[curve]
		for _, point := range points {
			c := &protocol.Challenge{Alg: curve, EPK: unhex(point), Nonce: make([]byte, 32)}
			if _, err := protocol.Prove(o.private, c, &o.claim); !errors.Is(err, protocol.ErrChallenge) {
				t.Errorf("%s with %s: %v", curve, point, err)
			}
		}
	}
}

func TestProve_ReportsWhatTheSignerDoes(t *testing.T) {
	o := owners()["rsa"]
	key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
	c := received(must(key.Challenge(time.Now())))
	if p, err := protocol.Prove(locked{o.private.(crypto.Signer)}, c, &o.claim); !errors.Is(err, errLocked) || !p.Declined() {
		t.Errorf("%v, %v", p, err)
	}
}

var errLocked = errors.New("the token is locked")

type locked struct{ crypto.Signer }

func (locked) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errLocked
}
