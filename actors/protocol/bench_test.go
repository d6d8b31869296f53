package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// plainFrame returns an envelope of the given length, with a payload like ciphertext in base64.
func plainFrame(length int) []byte {
	payload := make([]byte, length-len(protocol.AppendPlainMessage(nil, alice, bob, nil)))
	for i := range payload {
		payload[i] = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="[i%36]
	}
	return protocol.AppendPlainMessage(nil, alice, bob, payload)
}

func sendFrame(length int) []byte {
	const format = `{"type":"send","id":"0190c2f5-7d3e","to":"` + bobText + `","payload":"%s","ttl":86400}`
	return fmt.Appendf(nil, format, strings.Repeat("Q", length-len(format)+len("%s")))
}

func TestScanner_DoesNotAllocate(t *testing.T) {
	var e protocol.Envelope
	var f protocol.ClientFrame
	for _, frame := range [][]byte{
		plainFrame(200), plainFrame(128 << 10),
		[]byte(` { "to" : "t\u0041" , "payload" : "é\n😀" , "x" : [ { "a" : 1 , "b" : { } } , 1.5 ] , "y" : null } `),
		[]byte(`{"to":"t","payload":"p","a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}`),
		[]byte(`{"to":"t"`), []byte(`{"to":"t","to":"t"}`), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	} {
		if n := testing.AllocsPerRun(100, func() { _ = e.Parse(frame) }); n != 0 {
			t.Errorf("Envelope.Parse(%.80s) allocates %v times", frame, n)
		}
	}
	for _, frame := range [][]byte{
		sendFrame(200), sendFrame(128 << 10), []byte(`{"type":"recv","seq":9007199254740991}`),
		[]byte(`{"type":"proof","tag":"AAAA"}`), []byte(`{"type":"x","id":"i","to":"\u0041"}`),
	} {
		if n := testing.AllocsPerRun(100, func() { _ = f.Parse(frame) }); n != 0 {
			t.Errorf("ClientFrame.Parse(%.80s) allocates %v times", frame, n)
		}
	}
}

func TestUserID_DoesNotAllocate(t *testing.T) {
	text, raw, key := []byte(aliceText), []byte(`\u0066`+aliceText[1:]), []byte("alice")
	buf := make([]byte, 0, protocol.UserIDLen)
	for name, f := range map[string]func() bool{
		"NewUserID":             func() bool { return protocol.NewUserID(key) == alice },
		"ParseUserID of bytes":  func() bool { _, ok := protocol.ParseUserID(text); return ok },
		"ParseUserID of string": func() bool { _, ok := protocol.ParseUserID(aliceText); return ok },
		"ParseRawUserID":        func() bool { _, ok := protocol.ParseRawUserID(raw); return ok },
		"AppendTo":              func() bool { return len(alice.AppendTo(buf)) == protocol.UserIDLen },
		"CheckKey":              func() bool { return protocol.CheckKey(key) == protocol.CodeNone },
		"EchoTo":                func() bool { return protocol.EchoTo(raw) != nil },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if !f() {
				t.Errorf("%s failed", name)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkNewUserID(b *testing.B) {
	key := []byte("x25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	b.ReportAllocs()
	for b.Loop() {
		protocol.NewUserID(key)
	}
}

func BenchmarkParseUserID(b *testing.B) {
	text := []byte(aliceText)
	b.ReportAllocs()
	for b.Loop() {
		protocol.ParseUserID(text)
	}
}

func BenchmarkUserID_AppendTo(b *testing.B) {
	buf := make([]byte, 0, protocol.UserIDLen)
	b.ReportAllocs()
	for b.Loop() {
		alice.AppendTo(buf)
	}
}

func BenchmarkEnvelope(b *testing.B) {
	cyrillic := []byte(`{"to":"` + bobText + `","payload":"` + strings.Repeat("ж", 2048) + `"}`)
	for _, c := range []struct {
		name  string
		frame []byte
	}{{"200B", plainFrame(200)}, {"4KiB", plainFrame(4096)}, {"4KiB-not-ASCII", cyrillic}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.frame)))
			b.ReportAllocs()
			var e protocol.Envelope
			for b.Loop() {
				if err := e.Parse(c.frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEnvelope_EncodingJSON is what the others are to be compared with.
func BenchmarkEnvelope_EncodingJSON(b *testing.B) {
	for _, length := range []int{200, 4096} {
		frame := plainFrame(length)
		b.Run(fmt.Sprint(length, "B"), func(b *testing.B) {
			b.SetBytes(int64(length))
			b.ReportAllocs()
			for b.Loop() {
				var e struct{ From, To, Payload string }
				if err := json.Unmarshal(frame, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEnvelope_Hostile is what the dearest frames of the largest size cost that a scanner may meet.
func BenchmarkEnvelope_Hostile(b *testing.B) {
	const room = 128<<10 - len(`{"to":"t","payload":"p","x":}`)
	names := bytes.NewBufferString(`{"`)
	for i := 0; names.Len() < room-12; i++ {
		fmt.Fprintf(names, `%x":0,"`, i)
	}
	names.WriteString(`":0}`)
	few := `{"aa":0,"ab":0,"ac":0,"ad":0,"ae":0,"af":0,"ag":0,"ah":0},`
	for name, value := range map[string]string{
		"distinct-names": names.String(),
		"small-objects":  "[" + strings.Repeat(few, room/len(few)-1) + "0]",
		"arrays":         "[" + strings.Repeat("[],", room/3-1) + "0]",
		"escapes":        `"` + strings.Repeat(`\n`, room/2-2) + `"`,
		"white-space":    strings.Repeat(" ", room-2) + `0`,
		"a-number":       strings.Repeat("1", room-2),
	} {
		frame := []byte(`{"to":"t","payload":"p","x":` + value + `}`)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			var e protocol.Envelope
			for b.Loop() {
				if err := e.Parse(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkClientFrame(b *testing.B) {
	for name, frame := range map[string][]byte{
		"send-200B": sendFrame(200), "send-4KiB": sendFrame(4096), "recv": []byte(`{"type":"recv","seq":1764000000000123}`),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			var f protocol.ClientFrame
			for b.Loop() {
				if err := f.Parse(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendPlainMessage(b *testing.B) {
	payload := make([]byte, 100)
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		protocol.AppendPlainMessage(buf, alice, bob, payload)
	}
}
