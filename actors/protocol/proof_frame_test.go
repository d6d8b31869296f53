package protocol_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

func TestProofFrame_IsReadAsItIsWritten(t *testing.T) {
	for frame, p := range map[string]protocol.Proof{
		`{"type":"proof"}`:              {},
		`{"type":"proof","tag":""}`:     {Tag: []byte{}},
		`{"type":"proof","tag":"-_8"}`:  {Tag: []byte{0xfb, 0xff}},
		`{"type":"proof","sig":"AAAA"}`: {Sig: make([]byte, 3)},
	} {
		if got := protocol.AppendProof([]byte("before"), p); string(got) != "before"+frame {
			t.Errorf("%+v is written as %s, want %s", p, got, frame)
		}
		got, ok := parseProof(frame)
		if !ok || !same(got.Tag, p.Tag) || !same(got.Sig, p.Sig) || got.Declined() != (len(frame) == len(`{"type":"proof"}`)) {
			t.Errorf("%s is read as %+v, %v", frame, got, ok)
		}
	}
}

// parseProof reads a proof frame, as a server does.
func parseProof(frame string) (protocol.Proof, bool) {
	var f protocol.ClientFrame
	if f.Parse([]byte(frame)) != nil || f.Type != protocol.FrameProof {
		return protocol.Proof{}, false
	}
	return f.Proof()
}

func TestProofFrame_IsStrict(t *testing.T) {
	if p, ok := parseProof(`{"type":"proof","tag":"\u0041AAA","more":[1]}`); !ok || len(p.Tag) != 3 {
		t.Errorf("an escape makes %+v, %v", p, ok)
	}
	for _, frame := range []string{
		`{"type":"proof","tag":"AA","sig":"AA"}`, `{"type":"proof","tag":"","sig":""}`, `{"type":"proof","tag":null}`,
		`{"type":"proof","sig":1}`, `{"type":"proof","tag":"AA=="}`, `{"type":"proof","tag":"="}`, `{"type":"proof","tag":"AB"}`,
		`{"type":"proof","tag":"+/8"}`, `{"type":"proof","tag":"AA\n"}`, `{"type":"proof","tag":"A A"}`, `{"type":"proof","tag":"A"}`,
		`{"type":"proof","tag":"AA","tag":"AA"}`, `{"type":"proof","sig":["AA"]}`, `{"type":"Proof"}`, `{"type":"send"}`, `["proof"]`,
	} {
		if p, ok := parseProof(frame); ok {
			t.Errorf("%s is read as %+v", frame, p)
		}
	}
}

func TestChallengeFrame_ShowsWhatIsForTheClient(t *testing.T) {
	for _, v := range vectors(t) {
		want := fmt.Sprintf(`{"type":"challenge","alg":%q,"epk":%q,"nonce":%q,"exp":%d}`, v.Alg, v.EPK, v.Nonce, v.Exp)
		if got := v.challenge(t).Append(nil); string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", v.Name, got, want)
		}
	}
}

func FuzzProofFrame(f *testing.F) {
	all := vectors(f)
	for i, v := range all {
		f.Add(protocol.AppendProof(nil, v.proof()), i)
		f.Add(protocol.AppendProof(nil, protocol.Proof{}), i)
		f.Add(protocol.AppendProof(nil, protocol.Proof{Tag: v.proof().Sig, Sig: v.proof().Tag}), i)
	}
	f.Fuzz(func(t *testing.T, frame []byte, which int) {
		p, ok := parseProof(string(frame))
		if !ok {
			return
		}
		if again, ok := parseProof(string(protocol.AppendProof(nil, p))); !ok || !same(again.Tag, p.Tag) || !same(again.Sig, p.Sig) {
			t.Fatalf("%s is written as %s", frame, protocol.AppendProof(nil, p))
		}
		// Nobody finds another proof than the one there is. (Of RSA and Ed25519 there are more, for the owner.)
		v := all[uint(which)%uint(len(all))]
		is := bytes.Equal(p.Tag, v.proof().Tag) && bytes.Equal(p.Sig, v.proof().Sig)
		if v.challenge(t).Verify(v.at(), v.claim(), p) != is {
			t.Fatalf("%s: %s is accepted: %v", v.Name, frame, !is)
		}
	})
}
