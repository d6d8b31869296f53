package client_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

func TestBroker_ProvesEveryKindOfKey(t *testing.T) {
	n := newNode(t)
	for name, private := range privates() {
		k := ok(client.NewKey(private, ""))
		c := dialKey(t, n.url(), k.PublicKey(), client.WithKey(k))
		if !c.Proven() || !c.V1() || c.ID() != k.ID() {
			t.Errorf("%s: proven %v", name, c.Proven())
		}
		finish(t, c)
		// Nobody else is let in now, whatever they speak.
		if _, err := client.Dial(t.Context(), n.url(), k.ID()); !errors.Is(err, client.ErrProofRequired) {
			t.Errorf("%s: dialled without the key: %v", name, err)
		}
	}
	for _, name := range []string{"ed25519", "rsa"} {
		k := ok(client.NewKey(token{privates()[name].(crypto.Signer)}, ""))
		finish(t, dialKey(t, n.url(), k.PublicKey(), client.WithKey(k)))
	}
}

// Every connection is proved anew, and the mail of a proven user is not lost on the way.
func TestBroker_ProvesAfterEveryReconnect(t *testing.T) {
	n := newNode(t)
	var br breaker
	ka, kb := ok(client.GenerateKey()), ok(client.GenerateKey())
	a := dialKey(t, n.url(), ka.PublicKey(), client.WithKey(ka), br.option(), impatient())
	b := dialKey(t, n.url(), kb.PublicKey(), client.WithKey(kb), br.option(), impatient())
	tr := &traffic{t: t, each: 1000}
	tr.users(a, b)
	tr.trouble(12, 20*time.Millisecond, func(round int) {
		br.breakAll()
		if round == 5 {
			if err := errors.Join(n.stop(), n.start()); err != nil {
				t.Errorf("restart: %v", err)
			}
		}
	})
	if !a.Proven() || !b.Proven() {
		t.Error("not proven in the end")
	}
	tr.check(a, b)
}

func TestDial_KeyMustBeTheUsers(t *testing.T) {
	f := newFake(t)
	k := ok(client.GenerateKey())
	if _, err := client.Dial(t.Context(), f.url, alice, client.WithKey(k)); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("dial: %v", err)
	}
	if _, err := client.DialKey(t.Context(), f.url, "alice", client.WithKey(k)); err == nil || !strings.Contains(err.Error(), "another public key") {
		t.Errorf("dial: %v", err)
	}
	for _, opt := range []client.Option{client.RequireProof(), client.WithKey(nil)} {
		if _, err := f.tryDial(alice, opt); err == nil || !strings.Contains(err.Error(), "nothing to prove with") {
			t.Errorf("dial: %v", err)
		}
	}
}

// challengeFor writes the challenge of a server for a key and returns it.
func challengeFor(t *testing.T, p *peer, k *client.Key) *protocol.Challenge {
	t.Helper()
	provable, is := protocol.ParseProvableKey([]byte(k.PublicKey()))
	if !is {
		t.Fatal("not provable")
	}
	c := ok(provable.Challenge(time.Now()))
	p.write("%s", c.Append(nil))
	return c
}

// verify reads the proof and checks it.
func verify(p *peer, c *protocol.Challenge, k *client.Key, authority string) bool {
	var f protocol.ClientFrame
	select {
	case data := <-p.frames:
		if err := f.Parse(data); err != nil || f.Type != protocol.FrameProof {
			return false
		}
	case <-time.After(patience):
		return false
	}
	proof, _ := f.Proof()
	claim := &protocol.Claim{Authority: authority, User: protocol.NewUserID([]byte(k.PublicKey())), PublicKey: []byte(k.PublicKey())}
	return c.Verify(time.Now(), claim, proof)
}

func TestDial_BindsTheProofToItsOwnURL(t *testing.T) {
	k := ok(client.GenerateKey())
	for url, authority := range map[string]string{
		"http://Chat.Example":       "chat.example",
		"http://chat.example.:80/x": "chat.example",
		"ws://chat.example:8080":    "chat.example:8080",
		"http://[::1]:8080":         "[::1]:8080",
		"http://[::1]":              "[::1]",
	} {
		f, stop := newPipeFake(t)
		proved := make(chan bool, 1)
		go func() {
			p := f.accept()
			proved <- verify(p, challengeFor(t, p, k), k, authority)
			p.write(`{"type":"ready","userId":%q,"proven":true}`, k.ID())
		}()
		c, err := client.Dial(t.Context(), url, k.ID(), append(f.opts, client.WithKey(k))...)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if !<-proved {
			t.Errorf("%s: the proof is not for %s", url, authority)
		}
		finish(t, c)
		stop()
	}
	for _, url := range []string{"http://a,b", "http://chat example", "http://[::1"} {
		if _, err := client.Dial(t.Context(), url, k.ID(), client.WithKey(k)); err == nil {
			t.Errorf("%s is a URL", url)
		}
	}
}

// A server that poses as the user's, or a thief in between, would rather not have a proof.
func TestDial_RefusesToBeDowngraded(t *testing.T) {
	k := ok(client.GenerateKey())
	bound := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for what, c := range map[string]struct {
		plain bool
		act   func(p *peer)
		want  error
	}{
		"no enigma.v1": {true, func(*peer) {}, client.ErrNoV1},
		"no challenge": {false, func(p *peer) { p.ready() }, client.ErrNotProven},
		"no challenge, said to be proven": {false, func(p *peer) {
			p.write(`{"type":"ready","userId":%q,"proven":true}`, k.ID())
		}, client.ErrNotProven},
		"the proof ignored": {false, func(p *peer) {
			challengeFor(t, p, k)
			p.ready()
		}, client.ErrNotProven},
		"another alg": {false, func(p *peer) {
			p.write(`{"type":"challenge","alg":"ed25519","epk":"","nonce":%q,"exp":1}`, bound)
		}, protocol.ErrChallenge},
		"an empty epk": {false, func(p *peer) {
			p.write(`{"type":"challenge","alg":"x25519","epk":"","nonce":%q,"exp":1}`, bound)
		}, protocol.ErrChallenge},
		"a worthless epk": {false, func(p *peer) {
			p.write(`{"type":"challenge","alg":"x25519","epk":%q,"nonce":%q,"exp":1}`, bound, bound)
		}, protocol.ErrChallenge},
		"refused": {false, func(p *peer) {
			challengeFor(t, p, k)
			p.write("%s", protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil))
			p.Close(4401, "")
		}, client.ErrProofRequired},
	} {
		f := newFake(t)
		f.plain = c.plain
		acted := make(chan struct{})
		go func() {
			defer close(acted)
			c.act(f.accept())
		}()
		if _, err := f.tryDial(k.ID(), client.WithKey(k)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		<-acted
	}
}

// Without the demand a prover answers if it is asked, and is content if not.
func TestDial_ProvesWithoutDemandingIt(t *testing.T) {
	k := ok(client.GenerateKey())
	f := newFake(t)
	go func() { f.accept().ready() }()
	c, err := f.tryDial(k.ID(), client.WithProver(k))
	if err != nil || c.Proven() {
		t.Fatalf("proven %v, %v", c.Proven(), err)
	}
	finish(t, c)
}

// A downgrade on a later connection is no better. The client tries again until the server asks.
func TestReconnect_RefusesToBeDowngraded(t *testing.T) {
	f := newFake(t)
	k := ok(client.GenerateKey())
	prove := func(p *peer) {
		if !verify(p, challengeFor(t, p, k), k, strings.TrimPrefix(f.url, "http://")) {
			t.Error("not proved")
		}
		p.write(`{"type":"ready","userId":%q,"proven":true}`, k.ID())
	}
	first := make(chan *peer, 1)
	go func() {
		p := f.accept()
		prove(p)
		first <- p
	}()
	c, err := f.tryDial(k.ID(), client.WithKey(k), impatient())
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	(<-first).cut()
	p := f.accept()
	p.ready()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent := sending(c, ctx, bob, "not for them")
	p.ended()
	if len(p.frames) > 0 {
		t.Errorf("the client said %s", <-p.frames)
	}
	p = f.accept()
	prove(p)
	m := p.want("send")
	if m.Payload != "not for them" {
		t.Errorf("got %+v", m)
	}
	p.ack(m)
	if err := outcome(t, sent); err != nil {
		t.Error(err)
	}
}

func ExampleWithKey() {
	url, stop := exampleServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	key, err := client.GenerateKey() // or LoadOrGenerateKey
	if err != nil {
		panic(err)
	}
	alice, err := client.DialKey(ctx, url, key.PublicKey(), client.WithKey(key))
	if err != nil {
		panic(err)
	}
	defer alice.Close(ctx)
	fmt.Println("proven:", alice.Proven())

	// A thief knows the id, as all correspondents do.
	_, err = client.Dial(ctx, url, key.ID())
	fmt.Println(errors.Is(err, client.ErrProofRequired), bytes.Contains([]byte(err.Error()), []byte("PROOF_REQUIRED")))
	// Output:
	// proven: true
	// true true
}
