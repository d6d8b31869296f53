package transport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

func TestProof_MakesReady(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		for alg, k := range keyPairs() {
			c := n.connect(k.key, offerV1)
			challenge := c.challenge()
			if ahead := challenge.Exp - time.Now().Unix(); challenge.Alg != alg || ahead < 25 || ahead > 31 {
				t.Errorf("%s: challenge for %s, to expire in %d s", alg, challenge.Alg, ahead)
			}
			c.sendText(k.proof(t, challenge, host))
			c.wantReady(true)
			c.echoed("mail flows")
			// From now on nobody connects as this user without a proof, by whatever profile.
			n.connect(k.key).wantPlainRefusal()
			other := n.connect(k.key, offerV1)
			other.challenge()
			other.sendText(`{"type":"proof"}`)
			other.wantRefusal()
			c.echoed("still")
		}
	})
}

func TestProof_MayBeDeclinedUntilTheFirst(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		c := n.connect(k.key, offerV1)
		c.challenge()
		c.sendText(`{"type":"proof"}`)
		c.wantReady(false)
		n.connect(k.key).attached()
		c.want(string(protocol.AppendV1Error(nil, protocol.CodeReplaced, nil, nil)))
		c.wantClose(4409)
		// A key that cannot be proved is not asked for.
		n.connect("any text", offerV1).wantReady(false)
	})
}

func TestProof_PoliciesDecideWhoIsAdmitted(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		require := b.start(t, transport.Options{}, actors.WithAuth(actors.AuthRequire))
		k := newX25519()
		require.connect(k.key).wantPlainRefusal()
		c := require.connect(k.key, offerV1)
		c.challenge()
		c.sendText(`{"type":"proof"}`)
		c.wantRefusal()
		c = require.connect(k.key, offerV1)
		c.prove(k)
		c.wantReady(true)
		get(t, require.addr, "/login/text").wantCode(t, protocol.CodeKeyNotProvable)

		open := b.start(t, transport.Options{}, actors.WithAuth(actors.AuthOpen))
		c = open.connect(k.key, offerV1)
		c.prove(k)
		c.wantReady(true)
		open.connect(k.key).wantPlainRefusal() // while the proven one is there
		c.drop()
		eventually(t, "a plain conn attaches", func() bool {
			p := open.connect(k.key)
			p.sendText(envelope(p.id, p.id, "x"))
			f, err := p.read()
			return err == nil && string(f.payload) == envelope(p.id, p.id, "x")
		})
	})
}

// refusals are what a client may do instead of proving, given the conn, its challenge and its user.
var refusals = map[string]func(c *wsConn, ch *protocol.Challenge, k keyPair){
	"mail": func(c *wsConn, _ *protocol.Challenge, k keyPair) {
		c.sendText(fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"x"}`, k.id()))
	},
	"mail, then the proof": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		c.sendText(fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"x"}`, k.id()), k.proof(c.t, ch, host))
	},
	"plain mail":      say(`{"to":"fpmansl7byak6gq7ymzi7j3dvetjoi6i","payload":"x"}`),
	"a confirm":       say(`{"type":"recv","seq":0}`),
	"another type":    say(`{"type":"hello"}`),
	"no JSON":         say(`proof`),
	"an empty frame":  say(``),
	"an empty tag":    say(`{"type":"proof","tag":""}`),
	"an empty sig":    say(`{"type":"proof","sig":""}`),
	"a bad tag":       say(`{"type":"proof","tag":"!"}`),
	"a null tag":      say(`{"type":"proof","tag":null}`),
	"zeros":           say(`{"type":"proof","tag":"` + strings.Repeat("A", 43) + `"}`),
	"zeros as sig":    say(`{"type":"proof","sig":"` + strings.Repeat("A", 43) + `"}`),
	"another's proof": func(c *wsConn, ch *protocol.Challenge, _ keyPair) { c.sendText(newX25519().proof(c.t, ch, host)) },
	"another host":    func(c *wsConn, ch *protocol.Challenge, k keyPair) { c.sendText(k.proof(c.t, ch, "relay.example")) },
	"another port":    func(c *wsConn, ch *protocol.Challenge, k keyPair) { c.sendText(k.proof(c.t, ch, host+":8080")) },
	"another nonce": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		ch.Nonce[0] ^= 1
		c.sendText(k.proof(c.t, ch, host))
	},
	"another exp": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		ch.Exp++
		c.sendText(k.proof(c.t, ch, host))
	},
	"tag and sig": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		c.sendText(strings.TrimSuffix(k.proof(c.t, ch, host), "}") + `,"sig":""}`)
	},
	"twice the tag": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		proof := k.proof(c.t, ch, host)
		c.sendText(strings.TrimSuffix(proof, "}") + "," + strings.TrimPrefix(proof, `{"type":"proof",`))
	},
	"a wrong proof, then the right one": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		c.sendText(k.proof(c.t, ch, "relay.example"), k.proof(c.t, ch, host))
	},
	"5 KiB": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		proof := k.proof(c.t, ch, host)
		c.sendText(proof + strings.Repeat(" ", 5<<10-len(proof)))
	},
	"4 KiB and a byte, in fragments": func(c *wsConn, ch *protocol.Challenge, k keyPair) {
		proof := k.proof(c.t, ch, host)
		c.Write(clientFrame(0x01, []byte(proof)))
		c.Write(clientFrame(0x80, []byte(strings.Repeat(" ", 4<<10+1-len(proof)))))
	},
	"a header of 100 KiB": func(c *wsConn, _ *protocol.Challenge, _ keyPair) {
		c.Write(clientFrame(0x81, make([]byte, 100<<10))[:20])
	},
}

func say(text string) func(*wsConn, *protocol.Challenge, keyPair) {
	return func(c *wsConn, _ *protocol.Challenge, _ keyPair) { c.sendText(text) }
}

// Whatever a client does instead of proving, it is told so, gets no mail and sends none, and replaces nobody.
func TestProof_IsTheOnlyWayIn(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		owner := n.connect(k.key).attached() // by the plain profile: it is not locked
		refused := uint64(0)
		for what, refusal := range refusals {
			thief := n.upgrade(k.id(), offerV1)
			challenge := thief.challenge()
			refusal(thief, challenge, k)
			thief.want(string(protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil)))
			if f, err := thief.read(); err != nil || f.op != 8 || string(f.payload[:2]) != "\x11\x31" {
				t.Errorf("%s: got %d %q, %v", what, f.op, f.payload, err)
			}
			thief.Close()
			owner.attached() // and no mail came before
			refused++
		}
		if got := n.broker.Stats().Refused["PROOF_REQUIRED"]; got != refused {
			t.Errorf("%d refusals are counted, want %d", got, refused)
		}
	})
}

func TestProof_IsForOneConnection(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		first, second := n.connect(k.key, offerV1), n.connect(k.key, offerV1)
		challenge := first.challenge()
		proof := k.proof(t, challenge, host)
		second.challenge()
		second.sendText(proof)
		second.wantRefusal()
		first.sendText(proof)
		first.wantReady(true)
		// Once more on the same connection.
		first.sendText(proof)
		first.wantRefusal()
	})
}

func TestProof_SecondIsRefusedWheneverItComes(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		for _, decline := range []bool{false, true} {
			k := newX25519()
			c := n.connect(k.key, offerV1)
			proof := k.proof(t, c.challenge(), host)
			first := proof
			if decline {
				first = `{"type":"proof"}`
			}
			c.sendText(first, proof)
			f, err := c.read() // ready, unless the second was there first
			if err == nil && strings.Contains(string(f.payload), `"ready"`) {
				f, err = c.read()
			}
			if err == nil && strings.Contains(string(f.payload), `"drained"`) {
				f, err = c.read()
			}
			if err != nil || string(f.payload) != string(protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil)) {
				t.Errorf("got %q, %v", f.payload, err)
			}
			c.wantClose(4401)
		}
		// Where no proof was asked for, it is a frame of the wrong type.
		c := n.connect("any text", offerV1)
		c.wantReady(false)
		c.sendText(`{"type":"proof"}`)
		c.want(string(protocol.AppendV1Error(nil, protocol.CodeInvalidMessage, nil, nil)))
	})
}

func TestProof_ComesInAnyFrame(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		for what, write := range map[string]func(c *wsConn, proof string){
			"binary": func(c *wsConn, proof string) { c.Write(clientFrame(0x82, []byte(proof))) },
			"fragments": func(c *wsConn, proof string) {
				c.Write(append(clientFrame(0x01, []byte(proof[:9])), clientFrame(0x89, []byte("between"))...))
				c.Write(clientFrame(0x80, []byte(proof[9:])))
			},
			"bytes": func(c *wsConn, proof string) {
				for _, b := range textFrame(proof) {
					c.Write([]byte{b})
				}
			},
			"4 KiB": func(c *wsConn, proof string) { c.sendText(proof + strings.Repeat(" ", 4<<10-len(proof))) },
			"with mail behind": func(c *wsConn, proof string) {
				c.sendText(proof, fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"%s"}`, c.id, strings.Repeat("x", 8<<10)))
			},
		} {
			c := n.connect(k.key, offerV1)
			write(c, k.proof(t, c.challenge(), host))
			if what == "fragments" {
				if f, err := c.read(); err != nil || f.op != 10 || string(f.payload) != "between" {
					t.Errorf("got %d %q, %v, want a Pong", f.op, f.payload, err)
				}
			}
			c.want(string(protocol.AppendReady(nil, c.id, true, protocol.DefaultLimits())))
			if what == "with mail behind" {
				f, err := c.read()
				if err == nil && strings.Contains(string(f.payload), "drained") {
					f, err = c.read()
				}
				if err != nil || !strings.Contains(string(f.payload), "xxx") {
					t.Errorf("got %.100q, %v", f.payload, err)
				}
			}
		}
	})
}

func TestProof_OfAnExpiredChallengeIsRefused(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		now := time.Now()
		turned := make(chan struct{})
		n := b.start(t, transport.Options{}.WithClock(func() time.Time {
			select {
			case <-turned:
				return now.Add(protocol.ChallengeLife)
			default:
				return now
			}
		}))
		k := newX25519()
		c := n.connect(k.key, offerV1)
		challenge := c.challenge()
		close(turned)
		c.sendText(k.proof(t, challenge, host))
		c.wantRefusal()
	})
}
