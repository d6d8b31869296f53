package protocol_test

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

const bobText = "qg3dpwh42ldnuy2z42ldce5bc4g6pfpe"

// oddID holds every printable ASCII character that JSON treats in a special way, and one that HTML does.
const oddID = ` "\/<~`

type object = map[string]any

var limitsObject = object{
	"maxMessage": 131072.0, "maxUnacked": 256.0, "mailboxMessages": 1000.0, "mailboxBytes": 16777216.0,
	"ttl": 2592000.0, "idleTimeoutMs": 60000.0,
}

// encodings holds every encoder's output with the exact text, and with what encoding/json makes of it.
var encodings = []struct {
	name string
	got  func(dst []byte) []byte
	text string
	want object
}{
	{"plain message", func(dst []byte) []byte {
		return protocol.AppendPlainMessage(dst, alice, bob, []byte(`a\"b\ud83dé`))
	}, `{"from":"` + aliceText + `","to":"` + bobText + `","payload":"a\"b\ud83dé"}`,
		object{"from": aliceText, "to": bobText, "payload": "a\"b\ufffdé"}},

	{"error", func(dst []byte) []byte {
		return protocol.AppendError(dst, protocol.CodeUserNotFound, nil)
	}, `{"error":"User not found","code":"USER_NOT_FOUND"}`,
		object{"error": "User not found", "code": "USER_NOT_FOUND"}},

	{"error with to", func(dst []byte) []byte {
		return protocol.AppendError(dst, protocol.CodeMailboxFull, []byte(`\u0041b`))
	}, `{"error":"Mailbox full","code":"MAILBOX_FULL","to":"\u0041b"}`,
		object{"error": "Mailbox full", "code": "MAILBOX_FULL", "to": "Ab"}},

	{"error with an empty to", func(dst []byte) []byte {
		return protocol.AppendError(dst, protocol.CodeUserNotFound, []byte{})
	}, `{"error":"User not found","code":"USER_NOT_FOUND","to":""}`,
		object{"error": "User not found", "code": "USER_NOT_FOUND", "to": ""}},

	{"v1 error", func(dst []byte) []byte {
		return protocol.AppendV1Error(dst, protocol.CodeRateLimited, nil, nil)
	}, `{"type":"error","code":"RATE_LIMITED","error":"Too many messages"}`,
		object{"type": "error", "code": "RATE_LIMITED", "error": "Too many messages"}},

	{"v1 error with id", func(dst []byte) []byte {
		return protocol.AppendV1Error(dst, protocol.CodeStoreFull, []byte(oddID), nil)
	}, `{"type":"error","code":"STORE_FULL","error":"Message store full","id":" \"\\/<~"}`,
		object{"type": "error", "code": "STORE_FULL", "error": "Message store full", "id": oddID}},

	{"v1 error with id and to", func(dst []byte) []byte {
		return protocol.AppendV1Error(dst, protocol.CodeIDConflict, []byte("7"), []byte(bobText))
	}, `{"type":"error","code":"ID_CONFLICT","error":"Message id already used with another payload","id":"7","to":"` +
		bobText + `"}`,
		object{"type": "error", "code": "ID_CONFLICT", "error": "Message id already used with another payload",
			"id": "7", "to": bobText}},

	{"ack", func(dst []byte) []byte { return protocol.AppendAck(dst, []byte(oddID), bob) },
		`{"type":"ack","id":" \"\\/<~","to":"` + bobText + `"}`,
		object{"type": "ack", "id": oddID, "to": bobText}},

	{"v1 message", func(dst []byte) []byte {
		return protocol.AppendV1Message(dst, &protocol.Message{
			From: alice, To: bob, Payload: []byte("hi"), Seq: protocol.MaxSeq, TimeMS: 1_700_000_000_123,
		})
	}, `{"type":"message","from":"` + aliceText + `","to":"` + bobText +
		`","payload":"hi","seq":9007199254740991,"time":1700000000123}`,
		object{"type": "message", "from": aliceText, "to": bobText, "payload": "hi", "seq": 9007199254740991.0,
			"time": 1700000000123.0}},

	{"v1 message with id, again", func(dst []byte) []byte {
		return protocol.AppendV1Message(dst, &protocol.Message{
			From: alice, To: bob, Payload: []byte("hi"), ID: []byte(oddID), Seq: 1, Redelivered: true,
		})
	}, `{"type":"message","from":"` + aliceText + `","to":"` + bobText +
		`","payload":"hi","id":" \"\\/<~","seq":1,"time":0,"redelivered":true}`,
		object{"type": "message", "from": aliceText, "to": bobText, "payload": "hi", "id": oddID, "seq": 1.0,
			"time": 0.0, "redelivered": true}},

	{"ready", func(dst []byte) []byte {
		return protocol.AppendReady(dst, alice, true, protocol.DefaultLimits())
	}, `{"type":"ready","userId":"` + aliceText + `","proven":true,"limits":{"maxMessage":131072,"maxUnacked":256,` +
		`"mailboxMessages":1000,"mailboxBytes":16777216,"ttl":2592000,"idleTimeoutMs":60000}}`,
		object{"type": "ready", "userId": aliceText, "proven": true, "limits": limitsObject}},

	{"ready, not proven", func(dst []byte) []byte {
		return protocol.AppendReady(dst, alice, false, protocol.Limits{})
	}, `{"type":"ready","userId":"` + aliceText + `","proven":false,"limits":{"maxMessage":0,"maxUnacked":0,` +
		`"mailboxMessages":0,"mailboxBytes":0,"ttl":0,"idleTimeoutMs":0}}`,
		object{"type": "ready", "userId": aliceText, "proven": false, "limits": object{"maxMessage": 0.0,
			"maxUnacked": 0.0, "mailboxMessages": 0.0, "mailboxBytes": 0.0, "ttl": 0.0, "idleTimeoutMs": 0.0}}},

	{"drained", protocol.AppendDrained, `{"type":"drained"}`, object{"type": "drained"}},

	{"going away", func(dst []byte) []byte { return protocol.AppendGoingAway(dst, 1500) },
		`{"type":"going_away","reconnectMs":1500}`, object{"type": "going_away", "reconnectMs": 1500.0}},

	{"challenge", func(dst []byte) []byte {
		return protocol.AppendChallenge(dst, "x25519", []byte{0xfb, 0xff, 0xfe, 0x00}, []byte{0xff}, 1_700_000_030)
	}, `{"type":"challenge","alg":"x25519","epk":"-__-AA","nonce":"_w","exp":1700000030}`,
		object{"type": "challenge", "alg": "x25519", "epk": "-__-AA", "nonce": "_w", "exp": 1700000030.0}},

	{"challenge for a signature", func(dst []byte) []byte {
		return protocol.AppendChallenge(dst, "ed25519", nil, make([]byte, 32), 1)
	}, `{"type":"challenge","alg":"ed25519","epk":"","nonce":"` + base64.RawURLEncoding.EncodeToString(make([]byte, 32)) +
		`","exp":1}`,
		object{"type": "challenge", "alg": "ed25519", "epk": "", "exp": 1.0,
			"nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}},

	{"limits", protocol.DefaultLimits().AppendTo, `{"maxMessage":131072,"maxUnacked":256,"mailboxMessages":1000,` +
		`"mailboxBytes":16777216,"ttl":2592000,"idleTimeoutMs":60000}`, limitsObject},
}

func TestEncoders_WriteWhatTheContractSays(t *testing.T) {
	for _, c := range encodings {
		got := c.got([]byte("before"))
		if want := "before" + c.text; string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
			continue
		}
		var decoded object
		if err := json.Unmarshal([]byte(c.text), &decoded); err != nil {
			t.Errorf("%s is no JSON: %v", c.name, err)
		} else if !reflect.DeepEqual(decoded, c.want) {
			t.Errorf("%s decodes to %v, want %v", c.name, decoded, c.want)
		}
	}
}

func TestEncoders_DoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, c := range encodings {
		if n := testing.AllocsPerRun(100, func() { c.got(buf) }); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}

func TestAppendPlainMessage_IsAnExactEnvelope(t *testing.T) {
	frame := protocol.AppendPlainMessage(nil, alice, bob, []byte(`\u00e9 é`))
	var e protocol.Envelope
	if err := e.Parse(frame); err != nil || !e.Exact {
		t.Fatalf("Parse = %v, exact %v", err, e.Exact)
	}
	if string(e.From) != aliceText || string(e.To) != bobText || string(e.Payload) != `\u00e9 é` {
		t.Errorf("got %s, %s, %s", e.From, e.To, e.Payload)
	}
}
