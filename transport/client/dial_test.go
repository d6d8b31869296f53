package client_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

func TestDial_Ready(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	if p.user != alice || p.Subprotocol() != protocol.Subprotocol {
		t.Errorf("connected as %q with %q", p.user, p.Subprotocol())
	}
	if !c.V1() || c.Proven() || c.ID() != alice || c.Limits() != protocol.DefaultLimits() || c.Err() != nil {
		t.Errorf("v1 %v, proven %v, id %s, limits %+v, err %v", c.V1(), c.Proven(), c.ID(), c.Limits(), c.Err())
	}
}

func TestDial_WaitsForReady(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.Dial(ctx, f.url, alice); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dial: %v", err)
	}
	f.accept().ended()
}

func TestDial_URLs(t *testing.T) {
	f := newFake(t)
	host := strings.TrimPrefix(f.url, "http://")
	for url, want := range map[string]string{
		"http://" + host:               "/ws/" + alice,
		"ws://" + host + "/":           "/ws/" + alice,
		"http://" + host + "/a/b":      "/a/b/ws/" + alice,
		"ws://" + host + "/a%2Fb/":     "/a%2Fb/ws/" + alice,
		"http://" + host + "/with%20s": "/with%20s/ws/" + alice,
	} {
		go func() { f.acceptReady() }()
		c, err := client.Dial(t.Context(), url, alice)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		finish(t, c)
		if got := f.lastAsked(); got != want {
			t.Errorf("%s asked for %s, want %s", url, got, want)
		}
	}
}

func TestDial_RefusesBadArguments(t *testing.T) {
	for _, tt := range []struct {
		url, user string
		opt       client.Option
	}{
		{url: "ftp://h", user: alice},
		{url: "h:80", user: alice},
		{url: "http://", user: alice},
		{url: "http://u:p@h", user: alice},
		{url: "http://[::1", user: alice},
		{url: "http://a;b", user: alice},
		{url: "http://h/?a=b", user: alice},
		{url: "http://h/#a", user: alice},
		{url: "http://h\x00", user: alice},
		{url: "http://h", user: strings.ToUpper(alice)},
		{url: "http://h", user: "alice"},
		{url: "http://h", user: alice, opt: client.WithOutbox(0)},
		{url: "http://h", user: alice, opt: client.WithReadLimit(1)},
		{url: "http://h", user: alice, opt: client.WithBackoff(2, 1)},
		{url: "http://h", user: alice, opt: client.WithBackoff(0, 1)},
		{url: "http://h", user: alice, opt: client.WithHeartbeat(0, 1)},
		{url: "http://h", user: alice, opt: client.WithLastSeq(1 << 53)},
		{url: "http://h", user: alice, opt: client.WithLogger(nil)},
		{url: "http://h", user: alice, opt: client.WithDialer(nil)},
		{url: "http://h", user: alice, opt: client.WithHeader(http.Header{"host": {"x"}})},
		{url: "http://h", user: alice, opt: client.WithHeader(http.Header{"sec-websocket-protocol": {"x"}})},
	} {
		opts := []client.Option{client.WithDialer(func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%+v: dialled", tt)
			return nil, errors.New("no")
		})}
		if tt.opt != nil {
			opts = append(opts, tt.opt)
		}
		if c, err := client.Dial(t.Context(), tt.url, tt.user, opts...); err == nil {
			t.Errorf("%+v: no error", tt)
			finish(t, c)
		}
	}
}

func TestDial_TLS(t *testing.T) {
	f := &fake{t: t, peers: make(chan *peer, 1), raws: map[string]net.Conn{}}
	s := httptest.NewUnstartedServer(f)
	s.EnableHTTP2 = true // it must not be chosen for a WebSocket
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	url := strings.Replace(s.URL, "https", "wss", 1)
	if _, err := client.Dial(t.Context(), url, alice); err == nil {
		t.Fatal("an unknown certificate was taken")
	}
	cfg := &tls.Config{RootCAs: roots}
	go f.acceptReady()
	c, err := client.Dial(t.Context(), url, alice, client.WithTLS(cfg))
	if err != nil {
		t.Fatal(err)
	}
	finish(t, c)
	if cfg.ServerName != "" || cfg.NextProtos != nil {
		t.Error("the caller's TLS configuration was changed")
	}
}

func TestDial_HeaderAndDialer(t *testing.T) {
	f := newFake(t)
	var auth string
	f.setBefore(func(_ http.ResponseWriter, r *http.Request) bool { auth = r.Header.Get("Authorization"); return false })
	var dialled string
	go f.acceptReady()
	c, err := client.Dial(t.Context(), "http://broker.invalid", alice,
		client.WithHeader(http.Header{"authorization": {"Bearer x"}}),
		client.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled = addr
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(f.url, "http://"))
		}))
	if err != nil {
		t.Fatal(err)
	}
	finish(t, c)
	if auth != "Bearer x" || dialled != "broker.invalid:80" {
		t.Errorf("authorization %q, dialled %q", auth, dialled)
	}
}

func TestDial_ServerRefuses(t *testing.T) {
	closes := func(code websocket.StatusCode, frame string) func(*fake) {
		return func(f *fake) {
			p := f.accept()
			if frame != "" {
				p.write("%s", frame)
			}
			p.Close(code, "the reason")
		}
	}
	for name, tt := range map[string]struct {
		act  func(*fake)
		http func(http.ResponseWriter, *http.Request) bool
		want client.Error
	}{
		"unknown user": {act: closes(4404, `{"type":"error","error":"User not found","code":"USER_NOT_FOUND"}`),
			want: client.Error{Code: "USER_NOT_FOUND", Text: "User not found", Status: 4404}},
		"unknown user, frame without a type": {act: closes(4404, `{"error":"User not found","code":"USER_NOT_FOUND"}`),
			want: client.Error{Code: "USER_NOT_FOUND", Text: "User not found", Status: 4404}},
		"proof required": {act: closes(4401, ``),
			want: client.Error{Code: "PROOF_REQUIRED", Text: "the reason", Status: 4401}},
		"no capacity": {act: closes(1013, ``), want: client.Error{Text: "the reason", Status: 1013}},
		"store down": {act: closes(1013, `{"type":"error","code":"STORE_UNAVAILABLE","error":"Message store unavailable"}`),
			want: client.Error{Code: "STORE_UNAVAILABLE", Text: "Message store unavailable", Status: 1013}},
		"error, then a broken link": {act: func(f *fake) {
			p := f.accept()
			p.write(`{"type":"error","code":"PROOF_REQUIRED","error":"no"}`)
			p.CloseNow()
		}, want: client.Error{Code: "PROOF_REQUIRED", Text: "no"}},
		"HTTP 503": {http: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
			fmt.Fprint(w, `{"error":"shutting down","code":"STORE_UNAVAILABLE"}`)
			return true
		}, want: client.Error{Code: "STORE_UNAVAILABLE", Text: "shutting down", Status: 503, RetryAfter: 7 * time.Second}},
		"HTTP 404 without JSON": {http: func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true },
			want: client.Error{Text: "Not Found", Status: 404}},
		"a redirect": {http: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://elsewhere/", http.StatusFound)
			return true
		}, want: client.Error{Text: "redirected to https://elsewhere/", Status: 302}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.setBefore(tt.http)
			if tt.act != nil {
				go tt.act(f)
			}
			_, err := f.tryDial(alice)
			var got *client.Error
			if !errors.As(err, &got) || *got != tt.want {
				t.Errorf("%#v (%v), want %#v", got, err, tt.want)
			}
		})
	}
}

func TestDial_DeclinesToProve(t *testing.T) {
	f := newFake(t)
	nonce := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	go func() {
		p := f.accept()
		p.write(`{"type":"challenge","alg":"ed25519","epk":"","nonce":%q,"exp":1800000000}`, nonce)
		if got := <-p.frames; string(got) != `{"type":"proof"}` {
			t.Errorf("answered %s", got)
		}
		p.ready()
	}()
	c, err := f.tryDial(alice)
	if err != nil {
		t.Fatal(err)
	}
	finish(t, c)
}

type prover func(*protocol.Challenge, protocol.Claim) (protocol.Proof, error)

func (f prover) Prove(_ context.Context, c *protocol.Challenge, claim protocol.Claim) (protocol.Proof, error) {
	return f(c, claim)
}

func TestDial_Proves(t *testing.T) {
	f := newFake(t)
	nonce := []byte(strings.Repeat("n", 32))
	enc := base64.RawURLEncoding
	go func() {
		p := f.accept()
		p.write(`{"type":"challenge","alg":"x25519","epk":%q,"nonce":%q,"exp":1800000000}`, enc.EncodeToString([]byte("epk")), enc.EncodeToString(nonce))
		if got := p.want("proof"); got.Tag != enc.EncodeToString([]byte("the tag")) || got.Sig != "" {
			t.Errorf("answered %+v", got)
		}
		p.write(`{"type":"ready","userId":%q,"proven":true}`, alice)
	}()
	c, err := f.tryDial(alice, client.WithProver(prover(func(ch *protocol.Challenge, claim protocol.Claim) (protocol.Proof, error) {
		if ch.Alg != "x25519" || string(ch.EPK) != "epk" || string(ch.Nonce) != string(nonce) || ch.Exp != 1800000000 ||
			claim.User.String() != alice || "http://"+claim.Authority != f.url {
			t.Errorf("challenge %+v, claim %+v", ch, claim)
		}
		return protocol.Proof{Tag: []byte("the tag")}, nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	if !c.Proven() || c.Limits() != (protocol.Limits{}) {
		t.Errorf("proven %v, limits %+v", c.Proven(), c.Limits())
	}
}

// A server that verifies takes the proof, on a connection later too, and only of the key's owner.
func TestKeyProver(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key := "ed25519:" + base64.RawURLEncoding.EncodeToString(public)
	provable, ok := protocol.ParseProvableKey([]byte(key))
	if !ok {
		t.Fatal("the key is not provable")
	}
	f := newFake(t)
	claim := protocol.Claim{Authority: strings.TrimPrefix(f.url, "http://"), User: protocol.NewUserID([]byte(key)), PublicKey: []byte(key)}
	verify := func() *peer {
		p := f.accept()
		ch, err := provable.Challenge(time.Now())
		if err != nil {
			t.Error(err)
		}
		p.write("%s", ch.Append(nil))
		sig, _ := base64.RawURLEncoding.DecodeString(p.want("proof").Sig)
		if !ch.Verify(time.Now(), &claim, protocol.Proof{Sig: sig}) {
			t.Error("the proof is wrong")
		}
		p.write(`{"type":"ready","userId":%q,"proven":true}`, idOf(key))
		return p
	}
	first := make(chan *peer, 1)
	go func() { first <- verify() }()
	c, err := f.tryDial(idOf(key), client.WithProver(client.KeyProver(key, private)), client.WithBackoff(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	(<-first).cut()
	verify()
	if !c.Proven() {
		t.Error("not proven")
	}

	ch, err := provable.Challenge(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	go func() { f.accept().write("%s", ch.Append(nil)) }()
	if _, err := f.tryDial(alice, client.WithProver(client.KeyProver(key, private))); !errors.Is(err, client.ErrKeyMismatch) {
		t.Errorf("dial as another user: %v", err)
	}
}

func TestDial_ProverFails(t *testing.T) {
	f := newFake(t)
	ended := make(chan websocket.StatusCode, 1)
	go func() {
		p := f.accept()
		p.write(`{"type":"challenge","alg":"x25519","epk":"","nonce":%q,"exp":1}`, strings.Repeat("A", 43))
		ended <- p.ended()
	}()
	locked := errors.New("the key is locked")
	_, err := f.tryDial(alice, client.WithProver(prover(func(*protocol.Challenge, protocol.Claim) (protocol.Proof, error) {
		return protocol.Proof{}, locked
	})))
	if !errors.Is(err, locked) {
		t.Errorf("dial: %v", err)
	}
	if code := <-ended; code != websocket.StatusNormalClosure {
		t.Errorf("closed with %d", code)
	}
}

func TestDial_RequireV1(t *testing.T) {
	f := newFake(t)
	f.plain = true
	if _, err := f.tryDial(alice, client.RequireV1()); !errors.Is(err, client.ErrNoV1) {
		t.Errorf("dial: %v", err)
	}
}

func TestDial_HonoursContextWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			cancel() // the upgrade is never answered
			<-t.Context().Done()
		}
	}()
	if _, err := client.Dial(ctx, "http://"+l.Addr().String(), alice); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
}

func TestDialKey(t *testing.T) {
	f := newFake(t)
	f.setBefore(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/login" {
			return false
		}
		fmt.Fprintf(w, `{"userId":%q,"user":%[1]q}`, alice)
		return true
	})
	go f.acceptReady()
	c, err := client.DialKey(t.Context(), f.url, "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	if c.ID() != alice {
		t.Errorf("connected as %s", c.ID())
	}
}
