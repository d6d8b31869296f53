package protocol_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// parts are what a transcript is made of; the names are those of the contract.
type parts struct {
	version, alg, role, authority, user, key, epk, nonce string
	exp                                                  uint64
}

func (v *vector) parts() parts {
	return parts{"enigma-pop-v1", v.Alg, "client", v.Authority, v.UserID, v.PublicKey, string(url64(v.EPK)), string(url64(v.Nonce)), uint64(v.Exp)}
}

// transcript shares nothing with the package under test.
func (p parts) transcript() []byte {
	var t bytes.Buffer
	for _, s := range []string{p.version, p.alg, p.role, p.authority, p.user, p.key, p.epk, p.nonce, string(binary.BigEndian.AppendUint64(nil, p.exp))} {
		t.Write([]byte{byte(len(s) >> 8), byte(len(s))})
		t.WriteString(s)
	}
	return t.Bytes()
}

// referenceProof proves a transcript for the owner of a vector's key, by the text of the contract.
func (v *vector) referenceProof(transcript []byte, info string) protocol.Proof {
	if v.Alg == protocol.AlgEd25519 {
		return protocol.Proof{Sig: ed25519.Sign(v.private().(ed25519.PrivateKey), transcript)}
	}
	z := must(v.private().(*ecdh.PrivateKey).ECDH(must(curveOf(v.Alg).NewPublicKey(url64(v.EPK)))))
	salt := sha256.Sum256(transcript)
	mac := hmac.New(sha256.New, must(hkdf.Key(sha256.New, z, salt[:], info, 32)))
	mac.Write(transcript)
	return protocol.Proof{Tag: mac.Sum(nil)}
}

func TestProof_IsAboutEveryPartOfTheTranscript(t *testing.T) {
	changes := map[string]func(*parts){
		"version":       func(p *parts) { p.version = "enigma-pop-v2" },
		"alg":           func(p *parts) { p.alg = "rsa-pss-sha256" },
		"role":          func(p *parts) { p.role = "server" },
		"authority":     func(p *parts) { p.authority = "relay.example" },
		"user":          func(p *parts) { p.user = aliceText },
		"key":           func(p *parts) { p.key += " " },
		"epk":           func(p *parts) { p.epk += "\x00" },
		"nonce":         func(p *parts) { p.nonce = string(make([]byte, 32)) },
		"exp":           func(p *parts) { p.exp++ },
		"moved lengths": func(p *parts) { p.authority, p.user = p.authority+p.user[:1], p.user[1:] },
	}
	for _, v := range vectors(t) {
		if v.private() == nil {
			continue
		}
		if !bytes.Equal(v.parts().transcript(), protocol.Transcript(v.challenge(t), v.claim())) {
			t.Errorf("%s: another transcript than the contract's", v.Name)
		}
		if !v.challenge(t).Verify(v.at(), v.claim(), v.referenceProof(v.parts().transcript(), "enigma-pop-v1 mac")) {
			t.Errorf("%s: the contract's proof is refused", v.Name)
		}
		for part, change := range changes {
			p := v.parts()
			change(&p)
			if v.challenge(t).Verify(v.at(), v.claim(), v.referenceProof(p.transcript(), "enigma-pop-v1 mac")) {
				t.Errorf("%s: accepted with another %s", v.Name, part)
			}
		}
		if v.Alg != protocol.AlgEd25519 && v.challenge(t).Verify(v.at(), v.claim(), v.referenceProof(v.parts().transcript(), "enigma-pop-v1")) {
			t.Errorf("%s: accepted with another info", v.Name)
		}
	}
}

// The same from the server's side: what it means is not what the client proved.
func TestProof_IsRefusedForAnotherClaim(t *testing.T) {
	for _, v := range vectors(t) {
		for what, change := range map[string]func(*protocol.Challenge, *protocol.Claim){
			"alg":       func(c *protocol.Challenge, _ *protocol.Claim) { c.Alg += "x" },
			"authority": func(_ *protocol.Challenge, claim *protocol.Claim) { claim.Authority = "chat.example:8443" },
			"user":      func(_ *protocol.Challenge, claim *protocol.Claim) { claim.User = alice },
			"key":       func(_ *protocol.Challenge, claim *protocol.Claim) { claim.PublicKey = []byte(v.PublicKey + "\n") },
			"epk":       func(c *protocol.Challenge, _ *protocol.Claim) { c.EPK = append(bytes.Clone(c.EPK), 0) },
			"nonce":     func(c *protocol.Challenge, _ *protocol.Claim) { c.Nonce = make([]byte, 32) },
			"exp":       func(c *protocol.Challenge, _ *protocol.Claim) { c.Exp-- },
		} {
			c, claim := v.challenge(t), v.claim()
			change(c, claim)
			if c.Verify(v.at(), claim, v.proof()) {
				t.Errorf("%s: accepted with another %s", v.Name, what)
			}
		}
	}
}

// Claims that no proof is good for, with the proof that would be right.
func TestProof_IsRefusedForNoClaim(t *testing.T) {
	for _, v := range vectors(t) {
		if v.private() == nil {
			continue
		}
		for what, change := range map[string]func(*protocol.Claim){
			"no authority": func(claim *protocol.Claim) { claim.Authority = "" },
			"a key whose length cannot be written": func(claim *protocol.Claim) {
				claim.PublicKey = append(make([]byte, 1<<16), claim.PublicKey...)
			},
			"an authority whose length cannot be written": func(claim *protocol.Claim) {
				claim.Authority = string(make([]byte, 1<<16)) + claim.Authority
			},
		} {
			c, claim := v.challenge(t), v.claim()
			change(claim)
			if c.Verify(v.at(), claim, v.referenceProof(protocol.Transcript(c, claim), "enigma-pop-v1 mac")) {
				t.Errorf("%s: accepted with %s", v.Name, what)
			}
		}
	}
}

func TestProof_IsRefusedIfMalformed(t *testing.T) {
	for _, v := range vectors(t) {
		good := v.proof()
		whole := append(bytes.Clone(good.Tag), good.Sig...)
		for what, p := range map[string]protocol.Proof{
			"declined":       {},
			"empty tag":      {Tag: []byte{}},
			"empty sig":      {Sig: []byte{}},
			"tag and sig":    {Tag: whole, Sig: whole},
			"the other kind": {Tag: good.Sig, Sig: good.Tag},
			"cut":            {Tag: cut(good.Tag), Sig: cut(good.Sig)},
			"longer":         {Tag: longer(good.Tag), Sig: longer(good.Sig)},
			"zeros":          {Tag: zeros(good.Tag), Sig: zeros(good.Sig)},
			"first bit":      {Tag: flipped(good.Tag, 0), Sig: flipped(good.Sig, 0)},
			"last bit":       {Tag: flipped(good.Tag, len(whole)-1), Sig: flipped(good.Sig, len(whole)-1)},
		} {
			if v.challenge(t).Verify(v.at(), v.claim(), p) {
				t.Errorf("%s: %s is accepted", v.Name, what)
			}
		}
	}
}

// The helpers keep nil, which is absence.

func cut(b []byte) []byte {
	if b == nil {
		return nil
	}
	return b[:len(b)-1]
}

func longer(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(bytes.Clone(b), 0)
}

func zeros(b []byte) []byte {
	if b == nil {
		return nil
	}
	return make([]byte, len(b))
}

func flipped(b []byte, at int) []byte {
	if b == nil {
		return nil
	}
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestProof_ExpiresWithTheChallenge(t *testing.T) {
	v := vectors(t)[0]
	made := time.Unix(v.Exp, 0).Add(-protocol.ChallengeLife)
	for at, want := range map[time.Time]bool{
		made.Add(-time.Hour):                        true, // the clock was set back
		made:                                        true,
		made.Add(protocol.ChallengeLife - 1):        true,
		made.Add(protocol.ChallengeLife):            false,
		made.Add(protocol.ChallengeLife + 24*36000): false,
	} {
		if got := v.challenge(t).Verify(at, v.claim(), v.proof()); got != want {
			t.Errorf("%v after the challenge: %v", at.Sub(made), got)
		}
	}
	now := time.Now()
	key, _ := protocol.ParseProvableKey([]byte(v.PublicKey))
	if c := must(key.Challenge(now)); c.Exp != now.Add(30*time.Second).Unix() {
		t.Errorf("expires %d s ahead", c.Exp-now.Unix())
	}
}

// A challenge of the zero key, or one that has come over the wire, verifies nothing.
func TestProof_NeedsTheServersChallenge(t *testing.T) {
	v := vectors(t)[0]
	c := v.challenge(t)
	received := &protocol.Challenge{Alg: c.Alg, EPK: c.EPK, Nonce: c.Nonce, Exp: c.Exp}
	if received.Verify(v.at(), v.claim(), v.proof()) || (&protocol.Challenge{}).Verify(time.Time{}, v.claim(), v.proof()) {
		t.Error("accepted")
	}
}
