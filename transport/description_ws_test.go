package transport_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
)

// frames compares what goes over WebSockets with the document.
type frames struct {
	*description
	n     *node
	store *storetest.Faulty
}

// expect reads frames until one is as described under name, and all before it as under the others of the profile. With
// a code, it must be an error with it.
func (f *frames) expect(c *wsConn, name string, code protocol.Code) {
	f.t.Helper()
	for {
		got, err := c.read()
		if err != nil || got.op == 8 {
			f.t.Fatalf("got %d %q, %v, want %s %s", got.op, got.payload, err, name, code)
		}
		if f.is(string(got.payload), name) && (code == protocol.CodeNone || strings.Contains(string(got.payload), strconvQuote(code))) {
			f.seen[name+" "+code.String()] = true
			return
		}
		if kind := f.nameOf(string(got.payload), strings.HasPrefix(name, "plain")); kind == "" {
			f.t.Errorf("%s is not described", got.payload)
		}
	}
}

func strconvQuote(code protocol.Code) string { return `"code":"` + code.String() + `"` }

func (f *frames) is(text, name string) bool {
	return f.matches(text, "components", "messages", name, "payload") == nil
}

// nameOf returns the one message of a profile's server that a frame is; empty for none or several.
func (f *frames) nameOf(text string, plain bool) string {
	channel := "v1Send"
	if plain {
		channel = "plainSend"
	}
	list, _ := f.at("operations", channel, "messages")
	found := ""
	for _, item := range list.([]any) {
		ref := item.(map[string]any)["$ref"].(string)
		name := ref[strings.LastIndex(ref, "/")+1:]
		if f.is(text, name) {
			if found != "" {
				f.t.Errorf("%s is a %s and a %s", text, found, name)
			}
			found = name
		}
	}
	return found
}

// close reads the close and compares it with the table.
func (f *frames) close(c *wsConn, want protocol.CloseCode) {
	f.t.Helper()
	for {
		got, err := c.read()
		if err != nil {
			f.t.Fatalf("%v, want close %d", err, want)
		}
		if got.op != 8 {
			continue
		}
		code, reason := binary.BigEndian.Uint16(got.payload), string(got.payload[2:])
		table, _ := f.at("channels", "plain", "x-closes")
		for _, row := range table.([]any) {
			r := row.(map[string]any)
			if r["code"].(json.Number).String() == fmt.Sprint(code) && (r["reason"] == reason || code == 1000) {
				f.seen[fmt.Sprint("close ", code)] = true
			}
		}
		if code != uint16(want) || !f.seen[fmt.Sprint("close ", code)] {
			f.t.Errorf("closed with %d %q, want %d", code, reason, want)
		}
		c.Write(clientFrame(0x88, got.payload))
		return
	}
}

// say sends a frame that must be as described, and is so to the server as well.
func (f *frames) say(c *wsConn, name, text string) {
	f.t.Helper()
	if err := f.matches(text, "components", "messages", name, "payload"); err != nil {
		f.t.Errorf("%s: %v", text, err)
	}
	f.seen[name+" "] = true
	c.sendText(text)
}

// TestAsyncAPI_SaysWhatTheServerSays provokes every frame, every error and nearly every close that is described.
func TestAsyncAPI_SaysWhatTheServerSays(t *testing.T) {
	store := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{Messages: 1, Bytes: 1 << 20}))
	n := backends[0].startBroker(t, actors.WithStore(store))
	n.server, n.addr = serve(t, n.broker, transport.Options{RateMessages: 20})
	n.endBroker()
	f := &frames{description: describe(t, n.addr, "/asyncapi.json"), n: n, store: store}
	f.plainErrors()
	f.v1Frames()
	f.v1Errors()
	f.ends()

	for _, name := range keys(f.doc["components"].(map[string]any)["messages"]) {
		if !f.seen[name+" "] && !strings.Contains(strings.ToLower(name), "error") {
			t.Errorf("%s is described and was not seen", name)
		}
	}
	for _, name := range []string{"plainError", "error"} {
		forms, _ := f.at("components", "messages", name, "payload", "oneOf")
		for _, form := range forms.([]any) {
			code := form.(map[string]any)["properties"].(map[string]any)["code"].(map[string]any)["const"].(string)
			if !f.seen[name+" "+code] {
				t.Errorf("%s %s is described and was not seen", name, code)
			}
		}
	}
	table, _ := f.at("channels", "plain", "x-closes")
	for _, row := range table.([]any) {
		if code := fmt.Sprint(row.(map[string]any)["code"]); !f.seen["close "+code] && code != "1011" { // by a panic only, see TestPanics
			t.Errorf("close %s is described and was not seen", code)
		}
	}
}

// proxied upgrades a connection that is not exempt from limits.
func (f *frames) proxied(id protocol.UserID, headers ...string) *wsConn {
	return f.n.upgrade(id, append(headers, "X-Forwarded-For: 192.0.2.1")...)
}

func (f *frames) plainErrors() {
	bob, away := f.n.login("bob"), f.n.login("away")
	a := f.n.connect("alice").attached()
	b := f.n.upgrade(bob).attached()
	f.say(a, "plainSend", fmt.Sprintf(`{"to":"%s","payload":"x"}`, bob))
	f.expect(b, "plainMessage", protocol.CodeNone)
	for code, text := range map[protocol.Code]string{
		protocol.CodeUserNotFound:   `{"to":"nobody","payload":"x"}`,
		protocol.CodeInvalidMessage: `{`,
		protocol.CodeFromMismatch:   fmt.Sprintf(`{"from":"%s","to":"%s","payload":"x"}`, bob, bob),
	} {
		a.sendText(text)
		f.expect(a, "plainError", code)
	}
	for fault, code := range map[error]protocol.Code{
		persistence.ErrQuota: protocol.CodeMailboxFull, persistence.ErrFull: protocol.CodeStoreFull, persistence.ErrUnavailable: protocol.CodeStoreUnavailable,
	} {
		f.store.Set(storetest.Fault{Before: fault}, storetest.Append)
		a.sendText(fmt.Sprintf(`{"to":"%s","payload":"x"}`, away))
		f.expect(a, "plainError", code)
		f.store.Heal()
	}
	eventually(f.t, "the store is found to be back", func() bool { return !f.n.broker.Stats().StoreDown })
	again := f.n.upgrade(bob)
	f.expect(b, "plainError", protocol.CodeReplaced)
	f.close(b, protocol.CloseReplaced)
	again.Write(clientFrame(0x88, []byte{0x03, 0xe8}))
	f.close(again, protocol.CloseNormal)
	big := f.n.upgrade(bob)
	big.sendText(strings.Repeat("x", 200<<10))
	f.expect(big, "plainError", protocol.CodeMessageTooLarge)
	f.close(big, protocol.CloseTooLarge)
	unknown := f.n.upgrade(protocol.NewUserID([]byte("unknown")))
	f.expect(unknown, "plainError", protocol.CodeUserNotFound)
	f.close(unknown, protocol.CloseUserNotFound)
	fast := f.proxied(bob)
	for range 100 {
		fast.sendText(`{`)
	}
	f.expect(fast, "plainError", protocol.CodeRateLimited)
	f.close(fast, protocol.ClosePolicy)
	for first, code := range map[byte]protocol.CloseCode{0x91: protocol.CloseProtocolError, 0x81: protocol.CloseInvalidData} {
		c := f.n.upgrade(bob)
		c.Write(clientFrame(first, []byte("\xff\xff\xff")))
		f.close(c, code)
	}
}

func (f *frames) v1Frames() {
	for alg, k := range keyPairs() {
		c := f.n.connect(k.key, offerV1)
		got, err := c.read()
		if err != nil || !f.is(string(got.payload), "challenge") {
			f.t.Fatalf("%s: %s, %v", alg, got.payload, err)
		}
		f.seen["challenge "] = true
		if got := challengeOf(f.t, got.payload).Alg; got != alg {
			f.t.Errorf("%s is asked to prove a %s", alg, got)
		}
		f.say(c, "proof", k.proof(f.t, challengeOf(f.t, got.payload), host))
		f.expect(c, "ready", protocol.CodeNone)
		f.expect(c, "drained", protocol.CodeNone)
		f.say(c, "send", fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"x","ttl":60}`, c.id))
		f.expect(c, "message", protocol.CodeNone)
		f.say(c, "recv", fmt.Sprintf(`{"type":"recv","seq":%d}`, f.lastSeq(c)))
		f.expect(c, "ack", protocol.CodeNone)
	}
}

// lastSeq has the user send itself another message, and returns its seq.
func (f *frames) lastSeq(c *wsConn) (seq uint64) {
	c.sendText(fmt.Sprintf(`{"type":"send","id":"2","to":"%s","payload":"y"}`, c.id))
	for {
		got, err := c.read()
		var m struct{ Seq uint64 }
		if err != nil || json.Unmarshal(got.payload, &m) != nil {
			f.t.Fatalf("%q, %v", got.payload, err)
		}
		if m.Seq > 0 {
			return m.Seq
		}
	}
}

func (f *frames) v1Errors() {
	away := f.n.login("v1 away")
	a := f.n.connect("v1 alice", offerV1)
	send := func(id, to, payload string) {
		a.sendText(fmt.Sprintf(`{"type":"send","id":%q,"to":%q,"payload":%q}`, id, to, payload))
	}
	f.expect(a, "drained", protocol.CodeNone)
	send("1", "nobody", "x")
	f.expect(a, "error", protocol.CodeUserNotFound)
	a.sendText(`{"type":"what"}`)
	f.expect(a, "error", protocol.CodeInvalidMessage)
	for fault, code := range map[error]protocol.Code{
		persistence.ErrQuota: protocol.CodeMailboxFull, persistence.ErrFull: protocol.CodeStoreFull, persistence.ErrUnavailable: protocol.CodeStoreUnavailable,
	} {
		f.store.Set(storetest.Fault{Before: fault}, storetest.Append)
		send("2", away.String(), "x")
		f.expect(a, "error", code)
		f.store.Heal()
	}
	eventually(f.t, "the store is found to be back", func() bool { return !f.n.broker.Stats().StoreDown })
	send("3", a.id.String(), "x")
	send("3", a.id.String(), "another")
	f.expect(a, "error", protocol.CodeIDConflict)
	b := f.n.upgrade(a.id, offerV1)
	f.expect(b, "drained", protocol.CodeNone)
	f.expect(a, "error", protocol.CodeReplaced)
	b.sendText(strings.Repeat("x", 200<<10))
	f.expect(b, "error", protocol.CodeMessageTooLarge)
	unknown := f.n.upgrade(protocol.NewUserID([]byte("unknown")), offerV1)
	f.expect(unknown, "error", protocol.CodeUserNotFound)
	fast := f.proxied(away, offerV1)
	for range 30 {
		fast.sendText(`{`)
	}
	f.expect(fast, "error", protocol.CodeRateLimited)
	k := newX25519()
	c := f.n.connect(k.key, offerV1)
	c.prove(k)
	f.expect(c, "ready", protocol.CodeNone)
	thief := f.n.upgrade(k.id(), offerV1)
	thief.challenge()
	thief.sendText(`{"type":"proof","tag":"AAAA"}`)
	f.expect(thief, "error", protocol.CodeProofRequired)
	f.close(thief, protocol.CloseProofRequired)
	plain := f.n.upgrade(k.id())
	f.expect(plain, "plainError", protocol.CodeProofRequired)
}

// ends closes what is left by an outage and by the end of the server.
func (f *frames) ends() {
	id := f.n.login("never connected")
	c := f.n.connect("last", offerV1)
	f.expect(c, "drained", protocol.CodeNone)
	f.store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Keys)
	f.close(f.n.upgrade(id), protocol.CloseTryAgain)
	f.store.Heal()
	done := make(chan error, 1)
	go func() { done <- f.n.broker.Shutdown(context.Background()) }()
	f.expect(c, "goingAway", protocol.CodeNone)
	f.close(c, protocol.CloseGoingAway)
	if err := <-done; err != nil {
		f.t.Error(err)
	}
}
