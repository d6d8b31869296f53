package transport_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

func TestUpgrade_Answers(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		path := "/ws/" + n.login("alice").String()
		for _, tt := range []struct {
			name     string
			headers  []string
			protocol string
		}{
			{"plain", nil, ""},
			{"enigma.v1", []string{"Sec-WebSocket-Protocol: enigma.v1"}, "enigma.v1"},
			{"in a list", []string{"Sec-WebSocket-Protocol: chat ,enigma.v1, x"}, "enigma.v1"},
			{"in a second header", []string{"Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol:enigma.v1"}, "enigma.v1"},
			{"behind many lines", append(slices.Repeat([]string{"A: b"}, 1000), "Sec-WebSocket-Protocol: enigma.v1"), "enigma.v1"},
			{"others", []string{"Sec-WebSocket-Protocol: enigma.v2, ENIGMA.V1, xenigma.v1"}, ""},
			{"compression", []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}, ""},
			{"with a query", nil, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := dial(t, n.addr)
				c.send(upgradeRequest(path+strings.Repeat("?x=y", len(tt.name)%2), tt.headers...))
				r := c.response("GET")
				if r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Accept") != sampleAccept ||
					!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
					t.Errorf("%d %v", r.StatusCode, r.Header)
				}
				if got := r.Header.Values("Sec-WebSocket-Protocol"); strings.Join(got, ",") != tt.protocol {
					t.Errorf("protocol %q", got)
				}
				if r.Header.Get("Sec-WebSocket-Extensions") != "" || r.Header.Get("Content-Length") != "" || r.Header.Get("Content-Type") != "" {
					t.Errorf("%v", r.Header)
				}
			})
		}
	})
}

func TestUpgrade_TakesWhatBrowsersSend(t *testing.T) {
	n := backends[0].start(t, transport.Options{Origins: []string{"https://a.example"}})
	path := "/ws/" + n.login("alice").String()
	c := dial(t, n.addr)
	c.send("GET "+path+" HTTP/1.1\r\nhost: localhost\r\nCONNECTION: keep-alive, Upgrade\r\nupgrade: WebSocket\r\norigin: https://A.example\r\n",
		"sec-websocket-version: 13\r\nsec-websocket-key: ", sampleKey, "\r\n\r\n")
	if r := c.response("GET"); r.StatusCode != 101 {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	raw(t, n.addr, "GET", strings.TrimPrefix(upgradeRequest(path, "Origin: https://b.example"), "GET ")).wantCode(t, protocol.CodeOriginRefused)
}

func TestUpgrade_Refuses(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	whole := strings.TrimPrefix(upgradeRequest("/ws/"+aliceID), "GET ")
	swap := func(old, new string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("no %q in the request", old)
		}
		return strings.Replace(whole, old, new, 1)
	}
	for _, tt := range []struct {
		name, method, request string
		code                  protocol.Code
	}{
		{"no upgrade", "GET", swap("Upgrade: websocket\r\n", ""), protocol.CodeUpgradeRequired},
		{"another upgrade", "GET", swap("Upgrade: websocket", "Upgrade: h2c"), protocol.CodeUpgradeRequired},
		{"no connection", "GET", swap("Connection: Upgrade\r\n", ""), protocol.CodeUpgradeRequired},
		{"another connection", "GET", swap("Connection: Upgrade", "Connection: keep-alive"), protocol.CodeUpgradeRequired},
		{"no version", "GET", swap("Sec-WebSocket-Version: 13\r\n", ""), protocol.CodeUpgradeRequired},
		{"version 8", "GET", swap("Version: 13", "Version: 8"), protocol.CodeUpgradeRequired},
		{"HTTP/1.0", "GET", swap("HTTP/1.1", "HTTP/1.0"), protocol.CodeUpgradeRequired},
		{"no key", "GET", swap("Sec-WebSocket-Key: "+sampleKey+"\r\n", ""), protocol.CodeBadRequest},
		{"two keys", "GET", swap("Upgrade: w", "Sec-WebSocket-Key: "+sampleKey+"\r\nUpgrade: w"), protocol.CodeBadRequest},
		{"no base64", "GET", swap(sampleKey, "?"+sampleKey[1:]), protocol.CodeBadRequest},
		{"short key", "GET", swap(sampleKey, "dGhlIHNhbXBsZSBub25j"), protocol.CodeBadRequest},
		{"long key", "GET", swap(sampleKey, "dGhlIHNhbXBsZSBub25jZXh4"), protocol.CodeBadRequest},
		{"17 bytes", "GET", swap(sampleKey, "dGhlIHNhbXBsZSBub25jZXg="), protocol.CodeBadRequest},
		{"trailing bits", "GET", swap(sampleKey, "dGhlIHNhbXBsZSBub25jZR=="), protocol.CodeBadRequest},
		{"much too long", "GET", swap(sampleKey, strings.Repeat(sampleKey, 100)), protocol.CodeBadRequest},
		{"a body", "GET", swap("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc"), protocol.CodeBadRequest},
		{"a chunked body", "GET", swap("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"), protocol.CodeBadRequest},
		{"an empty chunked body", "GET", swap("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), protocol.CodeBadRequest},
		{"connection close", "GET", swap("Connection: Upgrade", "Connection: Upgrade\r\nConnection: close"), protocol.CodeUpgradeRequired},
		{"POST", "POST", whole, protocol.CodeMethodNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := raw(t, addr, tt.method, tt.request)
			r.wantCode(t, tt.code)
			if tt.code == protocol.CodeUpgradeRequired && (r.Header.Get("Sec-WebSocket-Version") != "13" || r.Header.Get("Upgrade") != "websocket") {
				t.Errorf("%v", r.Header)
			}
		})
	}
	if r := raw(t, addr, "HEAD", whole); r.StatusCode != 426 {
		t.Errorf("HEAD: %d", r.StatusCode)
	}
	get(t, addr, "/ws/").wantCode(t, protocol.CodeNotFound)
}

func TestUpgrade_KeepsEarlyBytes(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		alice := n.login("alice")
		c := &wsConn{rawConn: dial(t, n.addr)}
		// One segment: the request, a whole frame, and the beginning of another.
		second := textFrame(`{"to":"` + alice.String() + `","payload":"2"}`)
		c.send(upgradeRequest("/ws/"+alice.String()), string(textFrame(`{"to":"`+alice.String()+`","payload":"1"}`)), string(second[:9]))
		c.response("GET")
		c.want(envelope(alice, alice, "1"))
		c.send(string(second[9:]))
		c.want(envelope(alice, alice, "2"))
	})
}

func TestUpgrade_RefusesWhileDraining(t *testing.T) {
	n := backends[0].start(t, transport.Options{})
	path := "/ws/" + n.login("alice").String()
	n.server.Drain()
	raw(t, n.addr, "GET", strings.TrimPrefix(upgradeRequest(path), "GET ")).wantCode(t, protocol.CodeStoreUnavailable)
}

func TestUpgrade_LimitsTheConnectionsOfASource(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{MaxConnsPerIP: 2})
		for range 5 {
			n.connect("loopback")
		}
		request := strings.TrimPrefix(upgradeRequest("/ws/"+n.login("alice").String(), "X-Forwarded-For: 192.0.2.1"), "GET ")
		first := n.connect("one", "X-Forwarded-For: 192.0.2.1")
		n.connect("two", "X-Forwarded-For: 192.0.2.1")
		raw(t, n.addr, "GET", request).wantCode(t, protocol.CodeRateLimited)
		n.connect("three", "X-Forwarded-For: 192.0.2.2")
		first.drop()
		eventually(t, "a place is free", func() bool { return raw(t, n.addr, "GET", request).StatusCode == 101 })
	})
}

// Whoever is refused while much of its request is still on the way hears why, every time.
func TestListener_TellsWhyItRefuses(t *testing.T) {
	n := backends[0].start(t, transport.Options{MaxConns: 1})
	idle := dial(t, n.addr)
	idle.send("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
	idle.response("GET")
	for range 200 {
		c := dial(t, n.addr)
		c.send("GET /version HTTP/1.1\r\nHost: localhost\r\nCookie: ")
		for range 8 {
			c.send(strings.Repeat("x", 1<<10))
		}
		c.send("\r\n\r\n")
		c.response("GET").wantCode(t, protocol.CodeStoreUnavailable)
		c.Close()
	}
}

// addressed is a listener whose connections come from where a test says.
type addressed struct {
	net.Listener
	from net.Addr
}

type addressedConn struct {
	net.Conn
	from net.Addr
}

func (l addressed) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return addressedConn{nc, l.from}, nil
}

func (c addressedConn) RemoteAddr() net.Addr { return c.from }

func TestListener_LimitsTheConnectionsOfASource(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := backends[0].startBroker(t)
	n.addr = ln.Addr().String()
	n.server = serveOn(t, n.broker, transport.Options{MaxConnsPerIP: 2}, addressed{ln, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}})
	n.endBroker()
	idle := dial(t, n.addr)
	upgraded := n.connect("alice", "X-Forwarded-For: 192.0.2.9")
	idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	idle.response("GET")
	refused := func() bool {
		c := dial(t, n.addr)
		c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		return c.response("GET").StatusCode == protocol.CodeRateLimited.HTTPStatus()
	}
	if !refused() {
		t.Error("a third connection is served")
	}
	upgraded.drop()
	eventually(t, "the place of the upgraded one is free", func() bool { return !refused() })
	second := n.connect("bob")
	if !refused() {
		t.Error("the place was free twice")
	}
	idle.Close()
	eventually(t, "the place of the idle one is free", func() bool { return !refused() })
	second.drop()
}
