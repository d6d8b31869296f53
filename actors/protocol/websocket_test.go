package protocol_test

import (
	"bytes"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// The headers are those of RFC 6455, section 5.7, and the lengths at which their form changes.
func TestAppendFrameHeader(t *testing.T) {
	for _, c := range []struct {
		op   protocol.Opcode
		n    int
		want string
	}{
		{protocol.OpText, 0, "\x81\x00"},
		{protocol.OpText, 5, "\x81\x05"},
		{protocol.OpText, 125, "\x81\x7d"},
		{protocol.OpText, 126, "\x81\x7e\x00\x7e"},
		{protocol.OpBinary, 256, "\x82\x7e\x01\x00"},
		{protocol.OpBinary, 65535, "\x82\x7e\xff\xff"},
		{protocol.OpBinary, 65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		{protocol.OpContinuation, 1, "\x80\x01"},
		{protocol.OpClose, 2, "\x88\x02"},
		{protocol.OpPing, 16, "\x89\x10"},
		{protocol.OpPong, 16, "\x8a\x10"},
	} {
		got := protocol.AppendFrameHeader([]byte("x"), c.op, c.n)
		if string(got) != "x"+c.want {
			t.Errorf("header of %d bytes: %x, want %x", c.n, got[1:], c.want)
		}
		if n := protocol.FrameHeaderLen(c.n); n != len(c.want) || n > protocol.MaxFrameHeaderLen {
			t.Errorf("FrameHeaderLen(%d) = %d, want %d", c.n, n, len(c.want))
		}
	}
}

func TestAppendFrame(t *testing.T) {
	payload := bytes.Repeat([]byte("p"), 300)
	got := protocol.AppendFrame([]byte("x"), protocol.OpText, payload)
	if want := "x\x81\x7e\x01\x2c" + string(payload); string(got) != want {
		t.Errorf("frame %q", got)
	}
}
