package actors

import (
	"bytes"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Of a frame that was cut the rest stays, however often memory is given up, and no more than that.
func TestOutbox_KeepsTheRestOfACutFrame(t *testing.T) {
	p := &pool{budget: &budget{limit: 1 << 40}, meter: &meter{}}
	o := p.getOutbox()
	frame := protocol.AppendFrame(nil, protocol.OpText, bytes.Repeat([]byte("x"), 1000))
	for seq := range 3 {
		o.room(p, len(frame))
		o.buf = append(o.buf, frame...)
		o.place(uint64(seq+1), 1, 0, entryStored, nil)
	}
	taken := append([]byte(nil), o.buf[:1200]...)
	o.advance(len(taken)) // the second frame is cut
	for range 2 {
		o.cut(p)
		if o.len() != 2 || o.unsent() != 2*len(frame)-1200 || o.boundary() != len(o.buf) {
			t.Fatalf("%d entries and %d bytes are left, cut until %d of %d", o.len(), o.unsent(), o.boundary(), len(o.buf))
		}
		p.tell()
		if used := p.budget.used.Load(); used != int64(o.unsent()) {
			t.Fatalf("%d bytes are kept for %d", used, o.unsent())
		}
	}
	if got := append(taken, o.buf[o.sent:]...); !bytes.Equal(got, append(frame, frame...)) {
		t.Fatal("the frames are not what they were")
	}
	o.advance(o.unsent())
	if o.boundary() != o.sent || o.unsentEntries() != 0 {
		t.Fatalf("after all is sent, %d entries are not", o.unsentEntries())
	}
}
