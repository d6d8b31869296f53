package main_test

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// patience bounds a step of these tests; it is reached by a failure only.
const patience = 20 * time.Second

// must panics for an error, in what cannot go wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rsaKey and otherRSAKey take a while to make.
var rsaKey, otherRSAKey = sync.OnceValue(newRSAKey), sync.OnceValue(newRSAKey)

func newRSAKey() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

// keyKinds are the kinds of users there are: with a key that can be proved, in different forms, and without. Of each kind
// there is one who proves it and another who does not.
var keyKinds = map[string]func(proves bool) *client.Key{
	"x25519": func(bool) *client.Key { return must(client.GenerateKey()) },
	"p256, base64 of PEM": func(bool) *client.Key { // the form of the protocol's reference client
		private := must(ecdh.P256().GenerateKey(rand.Reader))
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(private.Public()))})
		return must(client.NewKey(private, base64.StdEncoding.EncodeToString(text)))
	},
	"ed25519": func(bool) *client.Key {
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed)
		return must(client.NewKey(ed25519.NewKeyFromSeed(seed), ""))
	},
	"rsa": func(proves bool) *client.Key {
		if proves {
			return must(client.NewKey(rsaKey(), ""))
		}
		return must(client.NewKey(otherRSAKey(), ""))
	},
	"any text": func(bool) *client.Key { return nil },
}

// subject is a user whose ways in are tried.
type subject struct {
	kind   string
	key    *client.Key // nil for a key that cannot be proved
	id     string
	proves bool // when the test comes to it
}

// way is a way to connect.
type way string

const (
	byPlain    way = "plain"
	byDeclined way = "enigma.v1 without a proof"
	byProof    way = "enigma.v1 with a proof"
)

// try connects and reports whether the user got in; everything but a refusal for want of a proof is a failure.
func (u *subject) try(t *testing.T, s *enigmatest.Server, by way) bool {
	t.Helper()
	if by == byPlain {
		return tryPlain(t, s, u.id)
	}
	in := by == byProof || tryDeclined(t, s, u)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	options := []client.Option{client.RequireV1()}
	if by == byProof {
		options = append(options, client.WithKey(u.key))
	}
	c, err := client.Dial(ctx, s.URL(""), u.id, options...)
	if err != nil {
		if !errors.Is(err, client.ErrProofRequired) {
			t.Errorf("%s, %s: %v", u.kind, by, err)
		}
		if in && by == byDeclined {
			t.Errorf("%s, %s: the client does not get in", u.kind, by)
		}
		return false
	}
	if !in {
		t.Errorf("%s, %s: the client gets in", u.kind, by)
	}
	if c.Proven() != (by == byProof) {
		t.Errorf("%s, %s: proven %v", u.kind, by, c.Proven())
	}
	finish(t, c)
	return true
}

// tryPlain is try with a client that knows the specification only: once it is let in, its messages are answered.
func tryPlain(t *testing.T, s *enigmatest.Server, id string) bool {
	t.Helper()
	u := s.Connect(id)
	_ = u.TrySend("nobody", "are we in?") // too late if the refusal was faster
	f := u.Expect()
	if f.Code == "PROOF_REQUIRED" {
		if status := u.Closed(); status != 4401 {
			t.Errorf("closed with %d", status)
		}
		return false
	}
	if f.Code != "USER_NOT_FOUND" {
		t.Errorf("got %s", f.Raw)
	}
	u.Leave()
	return true
}

// tryDeclined is the same on enigma.v1, for a user who is asked for a proof if there is one, and declines.
func tryDeclined(t *testing.T, s *enigmatest.Server, u *subject) bool {
	t.Helper()
	th := &thief{t: t, s: s, victim: u.id}
	c := th.dial()
	if u.key != nil {
		if challenge := th.hears(c); !strings.Contains(challenge, `"challenge"`) {
			t.Errorf("%s: got %s, want a challenge", u.kind, challenge)
		}
		th.says(c, `{"type":"proof"}`)
	}
	answer := th.hears(c)
	if strings.HasPrefix(answer, `{"type":"ready","userId":"`+u.id+`","proven":false,`) {
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("%s: %v", u.kind, err)
		}
		return true
	}
	th.refused(u.kind, c, answer)
	return false
}

// admits is the matrix: whether a way in is open by the policy, to a user who has given a proof before or has not.
func admits(policy string, by way, hasProved bool) bool {
	switch {
	case by == byProof, policy == "open":
		return true
	case policy == "require":
		return false
	}
	return !hasProved
}

func TestProof_PoliciesHold(t *testing.T) {
	for name, store := range stores {
		for _, policy := range []string{"lock", "require", "open"} {
			t.Run(name+", "+policy, func(t *testing.T) {
				testPolicy(t, policy, store(t))
			})
		}
	}
}

func testPolicy(t *testing.T, policy, where string) {
	start := func() *enigmatest.Server { return enigmatest.Start(t, "--store", where, "--auth", policy) }
	s := start()
	var users []*subject
	for kind, make := range keyKinds {
		for _, proves := range []bool{true, false} {
			u := &subject{kind: kind, key: make(proves), proves: proves}
			switch {
			case u.key != nil:
				u.id = s.Login(u.key.PublicKey())
			case proves:
				continue
			case policy == "require":
				if status, body := s.Get("/login/any%20text"); status != http.StatusForbidden || body["code"] != "KEY_NOT_PROVABLE" {
					t.Errorf("login of any text: %d %v", status, body)
				}
				continue
			default:
				u.id = s.Login("any text")
			}
			users = append(users, u)
		}
	}
	check := func(hasProved bool) {
		t.Helper()
		for _, u := range users {
			for _, by := range []way{byPlain, byDeclined} {
				locked := hasProved && u.proves
				if got, want := u.try(t, s, by), admits(policy, by, locked); got != want {
					t.Errorf("%s, %s, after a proof %v: let in %v", u.kind, by, locked, got)
				}
			}
		}
	}
	prove := func() {
		t.Helper()
		for _, u := range users {
			if u.proves && !u.try(t, s, byProof) {
				t.Errorf("%s: the proof is refused", u.kind)
			}
		}
	}
	check(false)
	prove()
	check(true)
	s.Kill() // what was ready is locked, whatever comes
	s = start()
	check(true)
	prove()
}

func TestProof_LocksCountWhenThePolicyIsChanged(t *testing.T) {
	where := t.TempDir()
	u := &subject{kind: "x25519", key: must(client.GenerateKey())}
	for _, step := range []struct {
		policy      string
		plain, then bool // whether a plain connection gets in, before a proof and after it
	}{
		{"open", true, true}, {"lock", true, false}, {"open", true, true}, {"lock", false, false},
	} {
		s := enigmatest.Start(t, "--store", where, "--auth", step.policy)
		u.id = s.Login(u.key.PublicKey())
		if got := u.try(t, s, byPlain); got != step.plain {
			t.Errorf("%s: let in %v", step.policy, got)
		}
		if !u.try(t, s, byProof) {
			t.Errorf("%s: the proof is refused", step.policy)
		}
		if got := u.try(t, s, byPlain); got != step.then {
			t.Errorf("%s, after a proof: let in %v", step.policy, got)
		}
		s.Stop()
	}
}

// redirected has a client that dials some host reach the server, as a relay or a name server can.
func redirected(s *enigmatest.Server) client.Option {
	return client.WithDialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr)
	})
}

func TestProof_IsForThePublicHost(t *testing.T) {
	s := enigmatest.Start(t, "--public-host", "Chat.Example, other.example:8443", "--listen", "0.0.0.0:0")
	key := must(client.GenerateKey())
	id := s.Login(key.PublicKey())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for host, want := range map[string]bool{
		"chat.example": true, "CHAT.example.:443": true, "other.example:8443": true,
		"chat.example:8443": false, "other.example": false, "relay.example": false, s.Addr: false,
	} {
		c, err := client.Dial(ctx, "http://"+host, id, redirected(s), client.WithKey(key))
		if (err == nil) != want || err != nil && !errors.Is(err, client.ErrProofRequired) {
			t.Errorf("%s: %v", host, err)
		}
		if err == nil {
			finish(t, c)
		}
	}
	if log := s.Log(); strings.Contains(log, "--public-host") {
		t.Errorf("the server warns of what is not:\n%s", log)
	}
}

func TestProof_WhatIsNotProtectedIsSaid(t *testing.T) {
	for listen, want := range map[string]int{"0.0.0.0:0": 1, "127.0.0.1:0": 0} {
		s := enigmatest.Start(t, "--listen", listen)
		s.Get("/healthz") // so it serves
		if got := strings.Count(s.Log(), "--public-host"); got != want {
			t.Errorf("%s: said %d times\n%s", listen, got, s.Log())
		}
	}
}

func TestProof_WorksOverTLS(t *testing.T) {
	cert, private := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	enigmatest.WriteCertificate(t, 1, cert, private)
	s := enigmatest.Start(t, "--tls-cert", cert, "--tls-key", private)
	key := must(client.GenerateKey())
	anyCertificate := client.WithTLS(&tls.Config{InsecureSkipVerify: true})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.DialKey(ctx, s.URL(""), key.PublicKey(), client.WithKey(key), anyCertificate)
	if err != nil || !c.Proven() {
		t.Fatal(err)
	}
	if _, err := client.Dial(ctx, s.URL(""), key.ID(), anyCertificate); !errors.Is(err, client.ErrProofRequired) {
		t.Errorf("without the key: %v", err)
	}
	finish(t, c)
}

// finish closes a client in order.
func finish(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}
