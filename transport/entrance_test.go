package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
)

// Whatever a client does to seem busy, it is cut when the time for the proof is over.
func TestEntrance_IsCutInTime(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		const time0 = 200 * time.Millisecond
		n := b.start(t, transport.Options{}.WithProofTimeout(time0))
		k := newX25519()
		owner := n.connect(k.key).attached()
		for what, do := range map[string]func(c *wsConn){
			"silence":     func(*wsConn) {},
			"half a head": func(c *wsConn) { c.Write([]byte{0x81}) },
			"half a frame": func(c *wsConn) {
				c.Write(textFrame(`{"type":"proof"}`)[:10])
			},
			"a fragment": func(c *wsConn) { c.Write(clientFrame(0x01, []byte(`{"type":`))) },
			"pings": func(c *wsConn) {
				for range 10 {
					c.Write(clientFrame(0x89, []byte("p")))
					if f, err := c.read(); err != nil || f.op != 10 || string(f.payload) != "p" {
						t.Errorf("got %d %q, %v, want a Pong", f.op, f.payload, err)
					}
				}
			},
			"pongs": func(c *wsConn) { c.Write(clientFrame(0x8a, make([]byte, 16))) },
		} {
			c := n.upgrade(k.id(), offerV1)
			c.challenge()
			begin := time.Now()
			do(c)
			c.wantRefusal()
			if took := time.Since(begin); took < time0/2 || took > time0+5*time.Second {
				t.Errorf("%s: cut after %v", what, took)
			}
		}
		owner.attached()
	})
}

func TestEntrance_ClosesAsItIsTold(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		for code, write := range map[int][]byte{
			1000: clientFrame(0x88, []byte{0x03, 0xe8}),
			4000: clientFrame(0x88, []byte{0x0f, 0xa0}),
			1002: {0x91, 0x80, 0, 0, 0, 0},
			1007: clientFrame(0x81, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")),
		} {
			c := n.connect(k.key, offerV1)
			c.challenge()
			c.Write(write)
			c.wantClose(code)
		}
		// And without a word; the server's end waits for all conns to be gone.
		for range 3 {
			n.connect(k.key, offerV1).drop()
			c := n.connect(k.key, offerV1)
			proof := k.proof(t, c.challenge(), host)
			c.sendText(proof)
			c.drop()
		}
	})
}

func TestEntrance_IsClosedAtTheServersEnd(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		c := n.connect(k.key, offerV1)
		challenge := c.challenge()
		n.server.Drain()
		c.wantClose(1001)
		_ = challenge
		begin := time.Now()
		n.shutdown()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

// A thief who knows the id has no use of it: mail stays for its owner.
func TestEntrance_LetsNoMailOut(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{}.WithProofTimeout(200*time.Millisecond))
		k := newX25519()
		owner := n.connect(k.key, offerV1)
		owner.prove(k)
		owner.wantReady(true)
		owner.drop()
		alice := n.connect("alice").attached()
		for i := range 5 {
			alice.sendText(envelope(alice.id, k.id(), itoa(i)))
		}
		alice.attached() // so they are on their way
		n.upgrade(k.id()).wantPlainRefusal()
		silent := n.upgrade(k.id(), offerV1)
		silent.challenge()
		silent.wantRefusal()
		for what, refusal := range refusals {
			c := n.upgrade(k.id(), offerV1)
			ch := c.challenge()
			refusal(c, ch, k)
			c.want(string(protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil)))
			if f, err := c.read(); err != nil || f.op != 8 {
				t.Errorf("%s: got %d %q, %v", what, f.op, f.payload, err)
			}
			c.Close()
		}
		owner = n.upgrade(k.id(), offerV1)
		owner.prove(k)
		owner.want(string(protocol.AppendReady(nil, owner.id, true, protocol.DefaultLimits())))
		for i := range 5 {
			if f, err := owner.read(); err != nil || !strings.Contains(string(f.payload), fmt.Sprintf(`"payload":"%d"`, i)) {
				t.Fatalf("got %q, %v, want message %d", f.payload, err, i)
			}
		}
	})
}

// startOn starts a node on a store.
func (b backend) startOn(t *testing.T, store actors.Store, opts transport.Options) *node {
	t.Helper()
	broker, err := actors.New(append([]actors.Option{actors.WithStore(store), actors.WithLogger(testLog())}, b.options...)...)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, broker: broker}
	n.server, n.addr = serve(t, broker, opts)
	n.endBroker()
	return n
}

func TestEntrance_WithoutTheStore(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		store := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{Messages: 1000, Bytes: 1 << 20}))
		n := b.startOn(t, store, transport.Options{})
		known, away := newX25519(), newX25519()
		n.login(away.key)
		c := n.connect(known.key, offerV1)
		c.prove(known)
		c.wantReady(true)
		store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Keys, storetest.Lock)
		// Whose key cannot be had is not let in unproven.
		n.upgrade(away.id(), offerV1).wantClose(1013)
		n.upgrade(away.id()).wantClose(1013)
		// Not even if its actor can read it a moment later.
		store.Set(storetest.Fault{Before: persistence.ErrUnavailable, Times: 1}, storetest.Keys)
		n.upgrade(away.id(), offerV1).wantClose(1013)
		store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Keys)
		// Who has an actor is known, and its lock is kept already.
		again := n.upgrade(known.id(), offerV1)
		again.prove(known)
		again.wantReady(true)
		n.upgrade(known.id()).wantPlainRefusal()
		// A lock that cannot be kept makes nobody ready.
		store.Set(storetest.Fault{}, storetest.Keys)
		c = n.upgrade(away.id(), offerV1)
		c.prove(away)
		c.wantClose(1013)
		store.Heal()
		c = n.upgrade(away.id(), offerV1)
		c.prove(away)
		c.wantReady(true)
	})
}

func TestAuthority_IsTheHostThatWasDialled(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		for _, c := range []struct {
			public  []string
			host    string // of the request
			dialled string // by the client
			want    bool
		}{
			{nil, "enigma.localhost", "enigma.localhost", true},
			{nil, "ENIGMA.localhost.:443", "enigma.localhost", true},
			{nil, "enigma.localhost:8080", "enigma.localhost:8080", true},
			{nil, "[::1]:8080", "[::1]:8080", true},
			{nil, "enigma.localhost:8080", "enigma.localhost", false},
			{nil, "a,b", "a,b", false},
			{[]string{"Chat.Example:443"}, "10.0.0.1:8080", "chat.example", true},
			{[]string{"chat.example"}, "enigma.localhost", "enigma.localhost", false},
			{[]string{"chat.example", "chat.example."}, "enigma.localhost", "chat.example", true},
			{[]string{"chat.example", "[::1]:8080"}, "[::1]:8080", "[::1]:8080", true},
			{[]string{"chat.example", "other.example"}, "other.example:80", "other.example", true},
			{[]string{"chat.example", "other.example"}, "other.example", "chat.example", false},
			{[]string{"chat.example", "other.example"}, "relay.example", "relay.example", false},
			{[]string{"chat.example", "other.example"}, "relay.example", "chat.example", false},
		} {
			n := b.start(t, transport.Options{PublicHosts: c.public})
			k := newX25519()
			id := n.login(k.key)
			conn := &wsConn{rawConn: dial(t, n.addr), id: id}
			conn.send(strings.Replace(upgradeRequest("/ws/"+id.String(), offerV1, "Via: 1.1 proxy"), "Host: enigma.localhost", "Host: "+c.host, 1))
			if r := conn.response("GET"); r.StatusCode != 101 {
				t.Errorf("host %q: %d", c.host, r.StatusCode)
				continue
			}
			conn.sendText(k.proof(t, conn.challenge(), c.dialled))
			if c.want {
				conn.wantReady(true)
			} else {
				conn.wantRefusal()
			}
		}
	})
	for _, wrong := range []string{"", "https://chat.example", "chat.example/", "a b"} {
		if _, err := transport.New(newAccounts(), transport.Options{PublicHosts: []string{wrong}}); err == nil || !strings.Contains(err.Error(), "write") {
			t.Errorf("public host %q: %v", wrong, err)
		}
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func TestAuthority_UnprotectedIsSaidOnce(t *testing.T) {
	const warning = "--public-host"
	k := newX25519()
	b := backends[0]
	for _, c := range []struct {
		public        []string
		addr          string
		atStart, then int
	}{
		{nil, "127.0.0.1:0", 0, 1},
		{nil, "0.0.0.0:0", 1, 1},
		{[]string{"chat.example"}, "0.0.0.0:0", 0, 0},
		{[]string{"chat.example", "other.example"}, "127.0.0.1:0", 0, 0},
	} {
		var log logBuffer
		n := b.startBroker(t)
		ln, err := net.Listen("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		n.addr = strings.Replace(ln.Addr().String(), "[::]", "127.0.0.1", 1)
		n.server = serveOn(t, n.broker, transport.Options{PublicHosts: c.public, Log: slog.New(slog.NewTextHandler(&log, nil))}, ln)
		n.endBroker()
		n.connect(k.key).attached().drop()
		n.connect(k.key, offerV1).challenge()
		if got := log.count(warning); got != c.atStart {
			t.Errorf("%s, %v: said %d times before a proxy came", c.addr, c.public, got)
		}
		for _, header := range []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.1"} {
			n.connect(k.key, offerV1, header).challenge()
		}
		if got := log.count(warning); got != c.then {
			t.Errorf("%s, %v: said %d times", c.addr, c.public, got)
		}
		if log.count(k.key) > 0 || log.count(k.id().String()) > 0 {
			t.Error("the log names the user")
		}
	}
}

// Proofs are checked beside the shard: many at a time do no harm.
func TestEntrance_TakesManyAtATime(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var all sync.WaitGroup
		for range 8 {
			k := newX25519()
			n.login(k.key)
			for range 4 {
				all.Go(func() {
					c := n.upgrade(k.id(), offerV1)
					c.prove(k)
					f, err := c.read()
					// One whose check was overtaken by that of a later proof is replaced by it before it is attached.
					if text := string(f.payload); err != nil || !strings.Contains(text, `"proven":true`) && !strings.Contains(text, "REPLACED") {
						t.Errorf("got %q, %v", f.payload, err)
					}
				})
			}
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			t.Fatal("it hangs")
		}
	})
}
