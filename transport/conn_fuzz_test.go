package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// judge is the link of a fuzzed conn: it checks what is submitted.
type judge struct{ *harness }

// Submit holds that what is to be forwarded can be put between quotes, and that a frame that is to be forwarded as it came
// says what was read in it.
func (j judge) Submit(s *actors.Submission) {
	quoted := slices.Concat([]byte(`"`), s.Payload, []byte(`"`))
	if !json.Valid(quoted) || !utf8.Valid(quoted) || len(s.Payload) > s.Size || len(s.ID) > protocol.MaxIDLength || s.TTL < 0 {
		j.t.Errorf("submitted %+v", s)
	}
	if s.Frame != nil {
		var e protocol.Envelope
		if e.Parse(s.Frame) != nil || !bytes.Equal(e.Payload, s.Payload) || string(e.From) != j.id.String() || string(e.To) != s.To.String() {
			j.t.Errorf("to be forwarded as %q: %+v", s.Frame, s)
		}
	}
	j.note("submit %s %s %q %d", s.To, s.Payload, s.ID, s.TTL)
}

// FuzzConn feeds a conn what a client may send after the upgrade, on both profiles. What comes of it does not depend on
// where the input is cut.
func FuzzConn(f *testing.F) {
	alice := protocol.NewUserID([]byte("alice"))
	for _, frame := range []string{
		fmt.Sprintf(`{"from":"%s","to":"%s","payload":"x"}`, alice, alice), fmt.Sprintf(`{"to":"\u00%x%s","payload":""}`, alice.String()[0], alice.String()[1:]),
		`{"from":"x","to":"y","payload":""}`, `{"to":"` + strings.Repeat("y", 70) + `","payload":""}`, `{"type":"recv","seq":1}`, `{"type":"proof"}`,
		fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"\ud800","ttl":5}`, alice), `{"type":"send","id":"","to":"y","payload":"","ttl":1e99}`, "\xff", ``,
	} {
		f.Add(slices.Concat(text(frame), text(frame)), false, uint64(1))
		f.Add(slices.Concat(masked(0x01, []byte(frame)), masked(0x89, []byte("p")), masked(0x80, nil)), true, uint64(2))
	}
	f.Add(slices.Concat(masked(0x8a, []byte("pong")), masked(0x88, []byte{0x03, 0xe8}), text("{}")), true, uint64(3))
	f.Fuzz(func(t *testing.T, input []byte, v1 bool, seed uint64) {
		whole := outcome(t, v1, input)
		random := rand.New(rand.NewPCG(seed, 0))
		var parts [][]byte
		for rest := input; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1+random.IntN(40)))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if cut := outcome(t, v1, parts...); !slices.Equal(whole, cut) {
			t.Fatalf("whole %q, in parts of %q %q", whole, parts, cut)
		}
	})
}

// outcome is what a conn tells its link of an input that comes in parts.
func outcome(t *testing.T, v1 bool, parts ...[]byte) []string {
	h := newHarness(t)
	h.conn.link = judge{h}
	if v1 {
		h.set(speaksV1 | challenged)
	}
	for _, part := range parts {
		h.receive(part)
		h.run()
	}
	return slices.DeleteFunc(h.log, func(event string) bool {
		return strings.Contains(event, "timer") || event == "read on" || event == "half close" || event == "close"
	})
}
