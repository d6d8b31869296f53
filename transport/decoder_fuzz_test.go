package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
)

// FuzzDecoder holds that the events do not depend on where the input is cut, and that they are those that gobwas/ws, a
// frame at a time, finds in the same input.
func FuzzDecoder(f *testing.F) {
	for _, tt := range framingCases {
		if len(tt.input) < 1000 {
			f.Add(tt.input, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		const limit = 300
		_, whole := decode(t, input, limit)
		random := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for at := 0; at < len(input); {
			cuts = append(cuts, at)
			at += 1 + random.IntN(1+random.IntN(20))
		}
		d, cut := decode(t, input, limit, cuts...)
		if fmt.Sprint(whole) != fmt.Sprint(cut) {
			t.Fatalf("whole %q, cut at %v %q", whole, cuts, cut)
		}
		if cap(d.held()) > 2*(limit+125)+smallest {
			t.Fatalf("holds %d bytes", cap(d.held()))
		}
		if want := reference(input, limit); fmt.Sprint(whole) != fmt.Sprint(want) {
			t.Fatalf("got %q, gobwas/ws %q", whole, want)
		}
	})
}

// reference finds the events of a stream with the parts of gobwas/ws that read from a Reader.
func reference(input []byte, limit int) (events []string) {
	r := bytes.NewReader(input)
	state := ws.StateServerSide
	var message []byte
	var binary bool
	fragments := 0
	for {
		start := len(input) - r.Len()
		if r.Len() < 2 {
			return events
		}
		early := ws.Header{Fin: input[start]&0x80 != 0, Rsv: input[start] >> 4 & 7, OpCode: ws.OpCode(input[start] & 15),
			Masked: input[start+1]&0x80 != 0, Length: int64(input[start+1] & 0x7f)}
		if ws.CheckHeader(early, state) != nil {
			return append(events, "broken 1002")
		}
		if b := input[start:]; b[1]&0x7f == 126 && len(b) >= 4 && b[2] == 0 && b[3] < 126 ||
			b[1]&0x7f == 127 && len(b) >= 10 && (bytes.Equal(b[2:8], make([]byte, 6)) || b[2]&0x80 != 0) {
			return append(events, "broken 1002")
		}
		h, err := ws.ReadHeader(r)
		if err != nil {
			return events
		}
		if !h.OpCode.IsControl() {
			if h.OpCode == ws.OpContinuation || !h.Fin {
				fragments++
			}
			if h.Length > int64(limit-len(message)) || fragments > maxFragments {
				return append(events, "broken 1009")
			}
		}
		if h.Length > int64(r.Len()) {
			return events
		}
		body := make([]byte, h.Length)
		r.Read(body)
		ws.Cipher(body, h.Mask, 0)
		switch h.OpCode {
		case ws.OpPing:
			events = append(events, fmt.Sprintf("ping %q", body))
			continue
		case ws.OpPong:
			events = append(events, fmt.Sprintf("pong %q", body))
			continue
		case ws.OpClose:
			if len(body) == 0 {
				events = append(events, "close 1005")
				continue
			}
			code, reason := ws.ParseCloseFrameDataUnsafe(body)
			known := code >= 1012 && code <= 1014 || code > 4999
			switch err := ws.CheckCloseFrameData(code, reason); {
			case len(body) == 1, err != nil && err != ws.ErrProtocolInvalidUTF8 && !known, code > 4999:
				return append(events, "broken 1002")
			case err == ws.ErrProtocolInvalidUTF8 || known && string(bytes.ToValidUTF8(body[2:], nil)) != reason:
				return append(events, "broken 1007")
			}
			events = append(events, fmt.Sprintf("close %d", code))
			continue
		case ws.OpText, ws.OpBinary:
			binary = h.OpCode == ws.OpBinary
		}
		message = append(message, body...)
		if !h.Fin {
			state = state.Set(ws.StateFragmented)
			continue
		}
		kind := "text"
		if binary {
			kind = "binary"
		}
		events = append(events, fmt.Sprintf("%s %q", kind, message))
		state, message, fragments = state.Clear(ws.StateFragmented), nil, 0
	}
}
