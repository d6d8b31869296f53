package protocol_test

import (
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

func TestClientFrame_ReadsSend(t *testing.T) {
	var f protocol.ClientFrame
	frame := `{"type":"send","id":"m-1","to":"` + bobText + `","payload":"a\nb","ttl":3600}`
	if err := f.Parse([]byte(frame)); err != nil {
		t.Fatal(err)
	}
	if f.Type != protocol.FrameSend || string(f.ID) != "m-1" || string(f.To) != bobText || string(f.Payload) != `a\nb` {
		t.Errorf("got type %d, id %q, to %q, payload %q", f.Type, f.ID, f.To, f.Payload)
	}
	if !f.HasTTL || f.TTL != 3600 {
		t.Errorf("got ttl %d, %v", f.TTL, f.HasTTL)
	}
	if err := f.Parse([]byte(`{"payload":"","to":"t","id":"2","type":"send"}`)); err != nil || f.HasTTL || f.TTL != 0 {
		t.Errorf("without ttl: %v, %d, %v", err, f.TTL, f.HasTTL)
	}
}

func TestClientFrame_ReadsProof(t *testing.T) {
	for frame, want := range map[string][2]string{
		`{"type":"proof"}`:                     {"absent", "absent"},
		`{"type":"proof","tag":"_-9"}`:         {"_-9", "absent"},
		`{"sig":"_-9","type":"proof"}`:         {"absent", "_-9"},
		`{"type":"proof","tag":"","sig":"s"}`:  {"", "s"},
		`{"type":"proof","tag":"\u005f-9"}`:    {"_-9", "absent"},
		`{"type":"pr\u006fof","sig":"","x":1}`: {"absent", ""},
	} {
		var f protocol.ClientFrame
		if err := f.Parse([]byte(frame)); err != nil || f.Type != protocol.FrameProof {
			t.Errorf("%s: %v", frame, err)
		}
		for i, got := range [][]byte{f.Tag, f.Sig} {
			if (got == nil) != (want[i] == "absent") || got != nil && string(got) != want[i] {
				t.Errorf("%s: tag %q, sig %q", frame, f.Tag, f.Sig)
			}
		}
	}
}

func TestClientFrame_ID(t *testing.T) {
	longest := strings.Repeat("i", protocol.MaxIDLength)
	for raw, want := range map[string]string{
		"1":                     "1",
		" ~":                    " ~",
		`\"\\\/`:                `"\/`,
		`\u0041\u007e`:          "A~",
		longest:                 longest,
		`\u0069` + longest[1:]:  longest,
		"":                      "",
		longest + "i":           "",
		`a\nb`:                  "",
		"\u007f":                "",
		`\u001f`:                "",
		"é":                     "",
		`\ud800`:                "",
		strings.Repeat("é", 10): "",
	} {
		var f protocol.ClientFrame
		err := f.Parse([]byte(`{"type":"send","id":"` + raw + `","to":"t","payload":"p"}`))
		if string(f.ID) != want || (err == nil) != (want != "") || want == "" && f.ID != nil {
			t.Errorf("id %q: %v, %q", raw, err, f.ID)
		}
	}
}

func TestClientFrame_Seq(t *testing.T) {
	const none = 1<<64 - 1
	for text, want := range map[string]uint64{
		"0": 0, "1": 1, "-0": 0, "0.000": 0, "0e999999999999999999999": 0, "-0.0E-0": 0, "10": 10, "100200": 100200,
		"9007199254740991": protocol.MaxSeq, "18446744073709551614": 1<<64 - 2, "1844674407370955161.4e1": 1<<64 - 2,
		"60.0": 60, "6e1": 60, "6E+1": 60, "0.6e2": 60, "600e-1": 60, "0.0000006e8": 60, "1e19": 1e19, "60e0000": 60,
		"1" + strings.Repeat("0", 300) + "e-300": 1, "0." + strings.Repeat("0", 299) + "1e300": 1,
		"1.5": none, "-1": none, "0.1": none, "1e-1": none, "18446744073709551616": none, "1e20": none,
		"1e999999999999999999999": none, "1e-999999999999999999999": none, "100000000000000000000": none,
		"1e18446744073709551616": none, "10e-18446744073709551615": none, // were the exponent to wrap, they would be 1
		"18446744073709551610.5": none, "-1e-400": none, `"1"`: none, "null": none, "true": none, "[1]": none, "{}": none,
		"1" + strings.Repeat("0", 300): none, "184467440737095516150": none, "20000000000000000000": none,
	} {
		var f protocol.ClientFrame
		err := f.Parse([]byte(`{"type":"recv","seq":` + text + `}`))
		if (err == nil) != (want != none) || err == nil && f.Seq != want {
			t.Errorf("seq %s = %d, %v", text, f.Seq, err)
		}
		if f.Type != protocol.FrameRecv {
			t.Errorf("seq %s: type %d", text, f.Type)
		}
	}
	var f protocol.ClientFrame
	if err := f.Parse([]byte(`{"type":"recv","seq":18446744073709551615}`)); err != nil || f.Seq != 1<<64-1 {
		t.Errorf("the highest seq: %d, %v", f.Seq, err)
	}
}

func TestClientFrame_TTL(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "60": 60, "60.0": 60, "6e1": 60, "9007199254740992": protocol.MaxTTL,
		"0": 0, "-1": 0, "-60": 0, "0.5": 0, "60.5": 0, "9007199254740993": 0, "1e300": 0, `"60"`: 0, "null": 0, "false": 0,
		"[]": 0, "18446744073709551615": 0,
	} {
		var f protocol.ClientFrame
		err := f.Parse([]byte(`{"type":"send","id":"i","to":"t","payload":"p","ttl":` + text + `}`))
		if (err == nil) != (want != 0) || f.TTL != want || f.HasTTL != (want != 0) {
			t.Errorf("ttl %s = %d, %v, %v", text, f.TTL, f.HasTTL, err)
		}
		if string(f.ID) != "i" || string(f.To) != "t" {
			t.Errorf("ttl %s: id %q, to %q", text, f.ID, f.To)
		}
	}
}

// An error repeats id and to where the frame had them, whatever else is wrong with it.
func TestClientFrame_RefusesAndStillFindsIDAndTo(t *testing.T) {
	for frame, want := range map[string][2]string{
		`{"type":"hello","id":"i","to":"t"}`:                       {"i", "t"},
		`{"id":"i","to":"t","payload":"p"}`:                        {"i", "t"},
		`{"type":7,"id":"i","to":"t","payload":"p"}`:               {"i", "t"},
		`{"type":"Send","id":"i","to":"t","payload":"p"}`:          {"i", "t"},
		`{"type":"message","id":"i","to":"t","payload":"p"}`:       {"i", "t"},
		`{"type":"send","payload":7,"id":"i","to":"t"}`:            {"i", "t"},
		`{"type":"send","id":"i","to":"t"}`:                        {"i", "t"},
		`{"type":"send","id":7,"to":"t","payload":"p"}`:            {"", "t"},
		`{"type":"send","to":"t","payload":"p"}`:                   {"", "t"},
		`{"type":"send","id":"i","payload":"p"}`:                   {"i", ""},
		`{"type":"send","to":null,"id":"i","payload":"p"}`:         {"i", ""},
		`{"type":"send","id":"\u0069","to":"\u0074","payload":p}`:  {"i", `\u0074`},
		`{"type":"send","id":"i","id":"j","to":"t","payload":"p"}`: {"i", ""},
		`{"type":"proof","tag":1,"to":"t"}`:                        {"", "t"},
		`{"type":"proof","tag":"t","sig":[]}`:                      {"", ""},
		`{"type":"recv","id":"i"}`:                                 {"i", ""},
		`{"type":"recv","seq":1}}`:                                 {"", ""},
		`{"type":"recv","seq":1,"x":{"y":1,"y":1}}`:                {"", ""},
		`{"type":"proof"`:                                          {"", ""},
		`{"a":0}`:                                                  {"", ""},
		``:                                                         {"", ""},
	} {
		var f protocol.ClientFrame
		if err := f.Parse([]byte(frame)); err != protocol.ErrInvalid {
			t.Errorf("%s: %v", frame, err)
		}
		if string(f.ID) != want[0] || string(f.To) != want[1] {
			t.Errorf("%s: id %q, to %q", frame, f.ID, f.To)
		}
	}
}

func TestClientFrame_IgnoresWhatItsTypeHasNoUseFor(t *testing.T) {
	for frame, want := range map[string]protocol.FrameType{
		`{"type":"recv","seq":1,"id":7,"to":[],"payload":null,"ttl":-1,"tag":0}`: protocol.FrameRecv,
		`{"type":"send","id":"i","to":"t","payload":"p","seq":"x","sig":{}}`:     protocol.FrameSend,
		`{"type":"proof","seq":1.5,"id":"","ttl":"x"}`:                           protocol.FrameProof,
	} {
		var f protocol.ClientFrame
		if err := f.Parse([]byte(frame)); err != nil || f.Type != want {
			t.Errorf("%s: type %d, %v", frame, f.Type, err)
		}
	}
}

func TestClientFrame_TellsInvalidUTF8(t *testing.T) {
	for _, frame := range []string{`{"type":"recv","seq":1,"x":"` + "\xff" + `"}`, `{"type":"send","id":"i","to":"` + "\xc3", "\xff"} {
		f := protocol.ClientFrame{To: []byte("left over")}
		if err := f.Parse([]byte(frame)); err != protocol.ErrUTF8 || f.To != nil {
			t.Errorf("%q: %v, to %q", frame, err, f.To)
		}
	}
}

func TestEchoTo(t *testing.T) {
	fill := func(n int) string { return strings.Repeat("f", n) }
	for _, c := range []struct{ raw, want string }{
		{"", ""},
		{fill(64), fill(64)},
		{fill(65), fill(64)},
		{fill(62) + "é", fill(62) + "é"},
		{fill(63) + "é", fill(63)},
		{fill(61) + "🔑f", fill(61)},
		{fill(60) + "🔑f", fill(60) + "🔑"},
		{fill(63) + `\n`, fill(63)},
		{fill(62) + `\\f`, fill(62) + `\\`},
		{fill(59) + `\u0041f`, fill(59)},
		{fill(58) + `\u0041f`, fill(58) + `\u0041`},
		{fill(57) + `\ud83d\ude00`, fill(57)},
		{fill(52) + `\ud83d\ude00f`, fill(52) + `\ud83d\ude00`},
		{fill(58) + `\ud83df`, fill(58) + `\ud83d`},
		{strings.Repeat(`\"`, 100), strings.Repeat(`\"`, 32)},
	} {
		if got := protocol.EchoTo([]byte(c.raw)); string(got) != c.want {
			t.Errorf("EchoTo(%s) = %s, want %s", c.raw, got, c.want)
		}
	}
	if protocol.EchoTo(nil) != nil {
		t.Error("EchoTo(nil) is not nil, and would be repeated as an empty to")
	}
}
