package protocol_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// seeds are frames on both sides of every rule.
var seeds = []string{
	`{"from":"` + aliceText + `","to":"` + bobText + `","payload":"c2VjcmV0"}`,
	` { "to" : "a" , "payload" : "" , "from" : "b" } `,
	`{"t\u006f":"\u0061","payload":"\ud83d\ude00 \ud83d é 😀 \"\\\/\b\f\n\r\t"}`,
	`{"to":"a","payload":"b","x":[1,-0.5e+3,true,false,null,{"y":{"y":[]},"z":{}}]}`,
	`{"to":"a","to":"b","payload":""}`, `{"to":"a","\u0074o":"b","payload":""}`,
	`{"to":"a","payload":"","x":{"y":1,"\u0079":2}}`, `{"to":"a","payload":"","\ud800":1,"\ud801":2}`,
	`{"to":"a","payload":"","😀":1,"\ud83d\ude00":2}`,
	`{"to":"a","payload":"","a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"\u0061":10}`,
	`{"to":"a","payload":""}x`, `{"to":"a","payload":"` + "\x01" + `"}`, `{"to":"a","payload":"` + "\xff" + `"}`,
	`{"to":"a","payload":"","x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
	`{"to":"a","payload":"","x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`,
	`{"type":"send","id":"1","to":"` + bobText + `","payload":"c2VjcmV0","ttl":60}`,
	`{"type":"send","id":"\"\u005c~ ","to":"a","payload":"","ttl":6e1}`,
	`{"type":"send","id":"é","to":"a","payload":"","ttl":0.5}`,
	`{"type":"recv","seq":9007199254740991}`, `{"type":"recv","seq":18446744073709551615.000e-0}`,
	`{"type":"recv","seq":18446744073709551616}`, `{"type":"recv","seq":1000e-3}`, `{"type":"recv","seq":-0}`,
	`{"type":"proof"}`, `{"type":"proof","tag":"_-\u0041"}`, `{"type":"proof","sig":"AA","tag":null}`,
	`{"type":"hello","id":"1","to":"a"}`, `[]`, `{}`, ``, `"to"`, "\ufeff{}",
}

func addSeeds(f *testing.F) {
	for _, frame := range seeds {
		f.Add([]byte(frame))
	}
}

func FuzzEnvelope(f *testing.F) {
	addSeeds(f)
	f.Fuzz(compareEnvelope)
}

func compareEnvelope(t *testing.T, frame []byte) {
	before := bytes.Clone(frame)
	got := protocol.Envelope{HasFrom: true, Exact: true, From: []byte("left over")}
	err := got.Parse(frame)
	if !bytes.Equal(frame, before) {
		t.Fatal("Parse changed the frame")
	}
	want, wantErr := referenceEnvelope(frame)
	if err != wantErr {
		t.Fatalf("Parse(%q) = %v, want %v", frame, err, wantErr)
	}
	if err != nil {
		checkEcho(t, protocol.AppendError(nil, protocol.CodeInvalidMessage, protocol.EchoTo(got.To)))
		checkTo(t, frame, got.To, want.To)
		return
	}
	if !bytes.Equal(got.To, want.To) || !bytes.Equal(got.From, want.From) || !bytes.Equal(got.Payload, want.Payload) ||
		got.HasFrom != want.HasFrom || got.Exact != want.Exact {
		t.Fatalf("Parse(%q):\n got %+v\nwant %+v", frame, got, want)
	}
	checkForwarded(t, got)
}

// checkForwarded checks that an envelope that was taken leaves as one that every parser reads alike.
func checkForwarded(t *testing.T, e protocol.Envelope) {
	frame := protocol.AppendPlainMessage(nil, alice, bob, e.Payload)
	var again protocol.Envelope
	if err := again.Parse(frame); err != nil || !again.Exact || !bytes.Equal(again.Payload, e.Payload) {
		t.Fatalf("%q was forwarded as %q: %v", e.Payload, frame, err)
	}
}

func FuzzClientFrame(f *testing.F) {
	addSeeds(f)
	f.Fuzz(compareClientFrame)
}

func compareClientFrame(t *testing.T, frame []byte) {
	before := bytes.Clone(frame)
	got := protocol.ClientFrame{HasTTL: true, TTL: 5, Type: protocol.FrameProof, Tag: []byte("left over")}
	err := got.Parse(frame)
	if !bytes.Equal(frame, before) {
		t.Fatal("Parse changed the frame")
	}
	want, wantErr := referenceFrame(frame)
	if err != wantErr {
		t.Fatalf("Parse(%q) = %v, want %v", frame, err, wantErr)
	}
	if err != nil {
		checkEcho(t, protocol.AppendV1Error(nil, protocol.CodeInvalidMessage, got.ID, protocol.EchoTo(got.To)))
		checkTo(t, frame, got.To, want.To)
		if want.ID != nil && !bytes.Equal(got.ID, want.ID) {
			t.Fatalf("Parse(%q) found the id %q, want %q", frame, got.ID, want.ID)
		}
		return
	}
	if got.Type != want.Type || !same(got.ID, want.ID) || !same(got.To, want.To) || !same(got.Payload, want.Payload) ||
		got.TTL != want.TTL || got.HasTTL != want.HasTTL || got.Seq != want.Seq ||
		!same(got.Tag, want.Tag) || !same(got.Sig, want.Sig) {
		t.Fatalf("Parse(%q):\n got %+v\nwant %+v", frame, got, want)
	}
}

// same says whether both are the same bytes or both are absent.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// checkTo checks the to of a refused frame: it is the reference's, and where that gave up on the frame, part of it.
func checkTo(t *testing.T, frame, got, want []byte) {
	if want != nil && !bytes.Equal(got, want) {
		t.Fatalf("Parse(%q) found the to %q, want %q", frame, got, want)
	}
	if !bytes.Contains(frame, got) {
		t.Fatalf("Parse(%q) found the to %q", frame, got)
	}
}

// checkEcho checks that an error that repeats what a bad frame said is itself a good one.
func checkEcho(t *testing.T, frame []byte) {
	if !json.Valid(frame) || !utf8.Valid(frame) || len(frame) > 350 {
		t.Fatalf("answered with %q", frame)
	}
	if _, ok := referenceObject(frame); !ok {
		t.Fatalf("answered with %q", frame)
	}
}

func FuzzUnescape(f *testing.F) {
	for _, raw := range []string{"", `a\"b`, `\ud83d\ude00`, `\ud83d\ud83d\ude00`, `\ude00\ud83d`, `\u00e9é`, `\`, `\u12`, `\x`} {
		f.Add([]byte(raw), 0)
	}
	f.Fuzz(func(t *testing.T, raw []byte, fill int) {
		raw = append(bytes.Repeat([]byte("f"), fill&63), raw...)
		got := protocol.Unescape([]byte("before"), raw)
		echo := protocol.EchoTo(raw)
		if !bytes.HasPrefix(raw, echo) || len(echo) > protocol.MaxEcho {
			t.Fatalf("EchoTo(%q) = %q", raw, echo)
		}
		quoted := append(append([]byte(`"`), raw...), '"')
		if !json.Valid(quoted) || !utf8.Valid(raw) {
			return // the scanner lets nothing of the kind through; enough that there was no panic
		}
		value := member{raw: string(quoted)}
		if want := "before" + referenceText(value); string(got) != want {
			t.Fatalf("Unescape(%q) = %q, want %q", raw, got, want)
		}
		if !json.Valid(append(append([]byte(`"`), echo...), '"')) || !utf8.Valid(echo) {
			t.Fatalf("EchoTo(%q) = %q", raw, echo)
		}
		if whole := len(raw) <= protocol.MaxEcho; whole != (len(echo) == len(raw)) || len(echo) <= protocol.MaxEcho-12 && !whole {
			t.Fatalf("EchoTo(%q) = %q", raw, echo)
		}
	})
}

func FuzzUserID(f *testing.F) {
	f.Add(aliceText)
	f.Add(strings.ToUpper(aliceText))
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := protocol.ParseUserID(text)
		want := len(text) == 32 && strings.Trim(text, alphabet) == ""
		if ok != want || ok && id.String() != text {
			t.Fatalf("ParseUserID(%q) = %v, %v", text, id, ok)
		}
	})
}
