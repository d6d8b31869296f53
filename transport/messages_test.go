package transport_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

func TestPlain_Delivers(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		alice, bob := n.connect("alice"), n.connect("bob")
		whole := envelope(alice.id, bob.id, "hello")
		for name, bytes := range map[string][]byte{
			"text":        textFrame(whole),
			"binary":      clientFrame(0x82, []byte(whole)),
			"fragments":   append(append(clientFrame(0x01, []byte(whole[:7])), clientFrame(0x00, []byte(whole[7:20]))...), clientFrame(0x80, []byte(whole[20:]))...),
			"no from":     textFrame(fmt.Sprintf(`{"to":"%s","payload":"hello"}`, bob.id)),
			"more fields": textFrame(fmt.Sprintf(`{"x":{"y":[1]},"payload":"hello","to":"%s"}`, bob.id)),
			"escaped ids": textFrame(fmt.Sprintf(`{"from":"\u00%x%s","to":"\u00%x%s","payload":"hello"}`, alice.id.String()[0], alice.id.String()[1:], bob.id.String()[0], bob.id.String()[1:])),
		} {
			if _, err := alice.Write(bytes); err != nil {
				t.Fatal(err)
			}
			f, err := bob.read()
			if err != nil || f.op != 1 || string(f.payload) != whole {
				t.Errorf("%s: got %d %q, %v", name, f.op, f.payload, err)
			}
		}
		// One byte at a time.
		for _, c := range textFrame(whole) {
			alice.Write([]byte{c})
		}
		bob.want(whole)
	})
}

func TestPlain_AnswersErrorsInOrder(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		alice, bob := n.connect("alice"), n.login("bob")
		nobody := protocol.NewUserID([]byte("nobody"))
		long := strings.Repeat("x", 100)
		alice.sendText(
			`nonsense`,
			envelope(bob, alice.id, "x"),
			envelope(alice.id, nobody, "x"),
			`{"to":"BOB","payload":"x"}`,
			fmt.Sprintf(`{"to":"%s","payload":"x"}`, long),
			`{"to":"`+bob.String()+`"}`,
		)
		alice.wantError(protocol.CodeInvalidMessage, nil)
		alice.wantError(protocol.CodeFromMismatch, []byte(alice.id.String()))
		alice.wantError(protocol.CodeUserNotFound, []byte(nobody.String()))
		alice.wantError(protocol.CodeUserNotFound, []byte("BOB"))
		alice.wantError(protocol.CodeUserNotFound, []byte(long[:64]))
		alice.wantError(protocol.CodeInvalidMessage, nil)
	})
}

func TestUnknownUsersAreTold(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		for _, id := range []string{protocol.NewUserID([]byte("nobody")).String(), "nonsense", strings.Repeat("A", 32)} {
			c := &wsConn{rawConn: dial(t, n.addr)}
			c.send(upgradeRequest("/ws/" + id))
			c.response("GET")
			c.wantError(protocol.CodeUserNotFound, nil)
			c.wantClose(4404)
		}
	})
}

func TestNewerConnectionReplaces(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		older := n.connect("alice").attached()
		newer := n.connect("alice")
		older.wantError(protocol.CodeReplaced, nil)
		older.wantClose(4409)
		newer.attached()
	})
}

// Far more than a conn's credit, the recipient away: the conn is stopped and goes on, and nothing is lost or reordered.
func TestFloodIsPausedAndResumed(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		alice, bob := n.connect("alice"), n.login("bob")
		const count = 3000
		var flood strings.Builder
		for i := range count {
			flood.Write(textFrame(envelope(alice.id, bob, itoa(i))))
		}
		flood.Write(textFrame(envelope(alice.id, alice.id, "done")))
		go alice.Conn.Write([]byte(flood.String()))
		alice.want(envelope(alice.id, alice.id, "done"))
		c := n.upgrade(bob)
		for i := range count {
			c.want(envelope(alice.id, bob, itoa(i)))
		}
	})
}

// The recipient does not read at all: it costs bounded memory, the sender goes on, and all arrives in order later.
func TestSlowReaderGetsEverythingLater(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{SendBuffer: 64 << 10})
		alice, bob := n.connect("alice"), n.connect("bob")
		bob.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		const count = 400
		payload := strings.Repeat("x", 16<<10)
		for i := range count {
			alice.sendText(envelope(alice.id, bob.id, itoa(i)+payload))
		}
		alice.sendText(envelope(alice.id, alice.id, "done"))
		alice.want(envelope(alice.id, alice.id, "done"))
		for i := range count {
			bob.want(envelope(alice.id, bob.id, itoa(i)+payload))
		}
	})
}

func TestLargestMessage(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		alice := n.connect("alice")
		whole := envelope(alice.id, alice.id, "")
		whole = envelope(alice.id, alice.id, strings.Repeat("x", 128<<10-len(whole)))
		alice.sendText(whole)
		alice.want(whole)
	})
}

func TestV1_AcksAndConfirms(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		open := func(key string) (*websocket.Conn, protocol.UserID) {
			id := n.login(key)
			c, _, err := websocket.Dial(ctx, "ws://"+n.addr+"/ws/"+id.String(), &websocket.DialOptions{Subprotocols: []string{"enigma.v1"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.CloseNow() })
			return c, id
		}
		read := func(c *websocket.Conn) map[string]any {
			t.Helper()
			_, data, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			return m
		}
		want := func(c *websocket.Conn, typ string, fields map[string]any) map[string]any {
			t.Helper()
			m := read(c)
			for m["type"] == "drained" && typ != "drained" {
				m = read(c)
			}
			for key, value := range fields {
				if m[key] != value {
					t.Errorf("%v, want %s %v", m, key, value)
				}
			}
			if m["type"] != typ {
				t.Fatalf("%v, want a %s", m, typ)
			}
			return m
		}
		write := func(c *websocket.Conn, format string, args ...any) {
			t.Helper()
			if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
				t.Fatal(err)
			}
		}
		alice, aliceID := open("alice")
		bob, bobID := open("bob")
		want(alice, "ready", map[string]any{"userId": aliceID.String()})
		want(bob, "ready", map[string]any{"userId": bobID.String()})
		write(alice, `{"type":"send","id":"1","to":"%s","payload":"hi","ttl":60}`, bobID)
		m := want(bob, "message", map[string]any{"from": aliceID.String(), "payload": "hi", "id": "1"})
		write(bob, `{"type":"recv","seq":%d}`, int64(m["seq"].(float64)))
		want(alice, "ack", map[string]any{"id": "1", "to": bobID.String()})
		write(alice, `{"type":"send","id":"2","to":"nobody","payload":"hi"}`)
		want(alice, "error", map[string]any{"code": "USER_NOT_FOUND", "id": "2", "to": "nobody"})
		write(alice, `{"type":"send","id":"3","to":"%s","payload":"hi","ttl":999999999}`, bobID)
		want(alice, "error", map[string]any{"code": "INVALID_MESSAGE", "id": "3", "to": bobID.String()})
		write(alice, `{"type":"what"}`)
		want(alice, "error", map[string]any{"code": "INVALID_MESSAGE"})
		write(bob, `{"type":"recv","seq":9007199254740991}`)
		want(bob, "error", map[string]any{"code": "INVALID_MESSAGE"})
		if err := alice.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Error(err)
		}
	})
}

func TestRateOfMessages(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{RateMessages: 10})
		free := n.connect("free")
		for range 100 {
			free.sendText(envelope(free.id, free.id, "x"))
			free.want(envelope(free.id, free.id, "x"))
		}
		c := n.connect("alice", "X-Forwarded-For: 192.0.2.1")
		limited := string(protocol.AppendError(nil, protocol.CodeRateLimited, []byte(c.id.String())))
		var burst []string
		for range 15 {
			burst = append(burst, envelope(c.id, c.id, "x"))
		}
		c.sendText(burst...)
		excess := 0
		for range burst {
			if f, err := c.read(); err != nil {
				t.Fatal(err)
			} else if string(f.payload) == limited {
				excess++
			}
		}
		if excess < 3 || excess > 5 {
			t.Errorf("%d of 15 messages were refused, want about 5", excess)
		}
		for range 4 {
			c.sendText(burst...)
		}
		for {
			f, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			if f.op == 8 {
				if code := binary.BigEndian.Uint16(f.payload); code != 1008 {
					t.Errorf("closed with %d", code)
				}
				return
			}
		}
	})
}

func TestTLS(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) { testTLS(t, b.startBroker(t)) })
}

func testTLS(t *testing.T, n *node) {
	cert := httptest.NewTLSServer(nil)
	cert.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.addr = ln.Addr().String()
	n.server = serveOn(t, n.broker, transport.Options{}, transport.NewTLSListener(ln, cert.TLS))
	n.endBroker()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	id := n.login("alice")
	c, _, err := websocket.Dial(ctx, "wss://"+n.addr+"/ws/"+id.String(), &websocket.DialOptions{HTTPClient: cert.Client()})
	if err != nil {
		t.Fatal(err)
	}
	big := envelope(id, id, strings.Repeat("x", 100_000))
	c.SetReadLimit(1 << 20)
	if err := c.Write(ctx, websocket.MessageText, []byte(big)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.Read(ctx); err != nil || string(data) != big {
		t.Errorf("%.100q %v", data, err)
	}
	start := time.Now()
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the close took %v", took)
	}
	cert.Client().CloseIdleConnections()
}
