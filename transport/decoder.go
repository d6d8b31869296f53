package transport

import (
	"bytes"
	"sync"

	"github.com/gobwas/ws"
)

// maxFragments bounds the frames of one message: empty fragments cost nothing against the message limit.
const maxFragments = 4096

// maxHeader is the longest header of a frame: two bytes, eight of length, four of mask.
const maxHeader = 14

// eventKind says what the decoder found.
type eventKind uint8

const (
	eventNone    eventKind = iota // the input is used up
	eventMessage                  // a whole message, text or binary
	eventPing
	eventPong
	eventClose  // the remote's Close; code is ws.StatusNoStatusRcvd if it gave none
	eventBroken // the input is no WebSocket stream any more; code is what to close with
)

// lender lends the buffers of what is copied aside; [actors.Shard] is one. What is recycled stays readable until the turn
// ends, so that payloads do.
type lender interface {
	Buffer(n int) []byte
	Recycle(b []byte)
}

// event is what one call of [decoder.next] found. The payload is unmasked. It lies in the input, or in a recycled buffer.
type event struct {
	kind    eventKind
	binary  bool // of a message
	code    ws.StatusCode
	payload []byte

	fragments int // of a message: the frames it came in, if there were several
}

// set makes an event of what has a payload and nothing else.
func (ev *event) set(kind eventKind, payload []byte) {
	ev.kind, ev.payload = kind, payload
	ev.binary, ev.code, ev.fragments = false, 0, 0
}

// decoder turns the bytes that a client sent, cut anywhere, into messages and control frames: RFC 6455, section 5, the
// server's side, without extensions. It never blocks. Frames that lie whole in the input are unmasked in place and not
// copied; what is cut, and a message in fragments, is copied aside into a buffer that grows with what has come, not with
// what was announced. Between messages it holds no memory but itself, a pointer and its flags.
type decoder struct {
	cut   *partial // nil unless a frame or a message has begun and is not complete
	flags decoderFlags
}

// partial is what a decoder knows of a frame or a message that is not complete.
type partial struct {
	hold      []byte          // the fragments so far, and behind them the frame under way
	message   int32           // length of the complete fragments in hold
	missing   int32           // payload bytes of the frame under way that have not come
	mask      [4]byte         // of the frame under way, turned so that it begins with the next byte
	fragments uint16          // frames of the message under way
	head      [maxHeader]byte // the first bytes of a header that is cut
	headLen   uint8
	frame     byte // first byte of the frame under way: FIN and opcode
}

var partials = sync.Pool{New: func() any { return new(partial) }}

// begun returns the partial of the frame that is being decoded.
func (d *decoder) begun() *partial {
	if d.cut == nil {
		d.cut = partials.Get().(*partial)
	}
	return d.cut
}

// settle lets go of the partial if nothing is under way.
func (d *decoder) settle() {
	if d.cut != nil && !d.holding() {
		*d.cut = partial{}
		partials.Put(d.cut)
		d.cut = nil
	}
}

type decoderFlags uint8

const (
	inPayload  decoderFlags = 1 << iota // the header of the frame under way is complete
	inMessage                           // a fragment without FIN has come
	inBinary                            // the message under way is binary
	broken                              // nothing more is decoded
	progressed                          // a message, or a control frame outside of one, was completed
)

// holding reports whether a frame or a message has begun and is not complete.
func (d *decoder) holding() bool {
	return d.cut != nil && (d.cut.headLen > 0 || d.flags&(inPayload|inMessage) != 0)
}

// takeProgress reports whether anything was completed since the last call. While that is false, what holding reports is
// the same frame or message as before.
func (d *decoder) takeProgress() bool {
	is := d.flags&progressed != 0
	d.flags &^= progressed
	return is
}

// release lets go of all memory; the decoder takes no input after it.
func (d *decoder) release(mem lender) {
	d.giveBack(mem)
	d.flags = broken
	if d.cut != nil {
		d.cut.headLen = 0
		d.settle()
	}
}

// next decodes up to the first event, makes ev that, and returns the rest of the input. It is to be called until ev is of
// the kind eventNone; the rest is empty then. A message of more than limit bytes is broken as soon as its header
// announces it.
func (d *decoder) next(ev *event, p []byte, limit int, mem lender) []byte {
	ev.kind = eventNone
	for d.flags&broken == 0 && len(p) > 0 {
		if d.flags&inPayload != 0 {
			p = d.resume(ev, p, mem)
		} else {
			p = d.begin(ev, p, limit, mem)
		}
		d.settle()
		if ev.kind != eventNone {
			return p
		}
	}
	return nil
}

// begin decodes a frame from its header on.
func (d *decoder) begin(ev *event, p []byte, limit int, mem lender) (rest []byte) {
	head, headLen, message := p, 0, 0
	if c := d.cut; c != nil {
		message = int(c.message)
		if headLen = int(c.headLen); headLen > 0 {
			n := copy(c.head[headLen:], p)
			head = c.head[:headLen+n]
		}
	}
	var h ws.Header
	size, err := parseHeader(&h, head, d.state())
	if err != nil {
		d.fail(ev, ws.StatusProtocolError, mem)
		return nil
	}
	if size == 0 {
		c := d.begun()
		c.headLen = uint8(copy(c.head[:], head))
		return nil
	}
	p = p[size-headLen:]
	frame := head[0]
	if d.cut != nil {
		d.cut.headLen = 0
	}
	if !h.OpCode.IsControl() {
		if h.Length > int64(limit-message) || !d.countFragment(&h) {
			d.fail(ev, ws.StatusMessageTooBig, mem)
			return nil
		}
	}
	if h.Length <= int64(len(p)) {
		body := p[:h.Length]
		ws.Cipher(body, h.Mask, 0)
		d.complete(ev, frame, body, false, mem)
		return p[h.Length:]
	}
	d.flags |= inPayload
	c := d.begun()
	c.frame, c.mask, c.missing = frame, h.Mask, int32(h.Length)
	return d.resume(ev, p, mem)
}

// resume takes more of a frame that is cut.
func (d *decoder) resume(ev *event, p []byte, mem lender) (rest []byte) {
	c := d.cut
	n := min(int(c.missing), len(p))
	if n > 0 {
		d.keep(p[:n], mem)
		ws.Cipher(c.hold[len(c.hold)-n:], c.mask, 0)
		c.mask = [4]byte{c.mask[n&3], c.mask[(n+1)&3], c.mask[(n+2)&3], c.mask[(n+3)&3]}
		c.missing -= int32(n)
	}
	if c.missing > 0 {
		return p[n:]
	}
	d.flags &^= inPayload
	d.complete(ev, c.frame, c.hold[c.message:], true, mem)
	return p[n:]
}

// complete handles a whole frame. held says that body lies at the end of hold.
func (d *decoder) complete(ev *event, frame byte, body []byte, held bool, mem lender) {
	fin, op := frame&0x80 != 0, ws.OpCode(frame&0x0f)
	if op.IsControl() {
		d.control(ev, op, body, held, mem)
		return
	}
	if op != ws.OpContinuation {
		d.flags &^= inBinary
		if op == ws.OpBinary {
			d.flags |= inBinary
		}
	}
	if fin && d.flags&inMessage == 0 {
		ev.set(eventMessage, body)
		ev.binary = d.flags&inBinary != 0
		d.flags |= progressed
		if held {
			d.giveBack(mem)
		}
		return
	}
	if !held && len(body) > 0 {
		d.keep(body, mem)
	}
	c := d.begun()
	c.message += int32(len(body))
	if !fin {
		d.flags |= inMessage
		return
	}
	d.flags &^= inMessage
	d.flags |= progressed
	ev.set(eventMessage, c.hold)
	ev.binary, ev.fragments = d.flags&inBinary != 0, int(c.fragments)
	d.giveBack(mem)
	c.message, c.fragments = 0, 0
}

// control handles a whole control frame.
func (d *decoder) control(ev *event, op ws.OpCode, body []byte, held bool, mem lender) {
	switch {
	case d.flags&inMessage == 0:
		d.flags |= progressed
		if held {
			d.giveBack(mem)
		}
	case held:
		// It was cut, between fragments, and lies behind them: the next ones go over it.
		body = bytes.Clone(body)
		d.cut.hold = d.cut.hold[:d.cut.message]
	}
	switch op {
	case ws.OpPing:
		ev.set(eventPing, body)
	case ws.OpPong:
		ev.set(eventPong, body)
	default:
		code, failure := checkClose(body)
		if failure != 0 {
			d.fail(ev, failure, mem)
			return
		}
		ev.set(eventClose, nil)
		ev.code = code
	}
}

// fail ends decoding.
func (d *decoder) fail(ev *event, code ws.StatusCode, mem lender) {
	d.release(mem)
	ev.set(eventBroken, nil)
	ev.code = code
}

// keep copies p aside.
func (d *decoder) keep(p []byte, mem lender) {
	c := d.begun()
	if cap(c.hold)-len(c.hold) < len(p) {
		bigger := append(mem.Buffer(max(len(c.hold)+len(p), min(2*cap(c.hold), maxHoldDoubling))), c.hold...)
		d.giveBack(mem)
		c.hold = bigger
	}
	c.hold = append(c.hold, p...)
}

// maxHoldDoubling is the size from which hold grows by what is needed only.
const maxHoldDoubling = 1 << 20

func (d *decoder) giveBack(mem lender) {
	if c := d.cut; c != nil && c.hold != nil {
		mem.Recycle(c.hold)
		c.hold = nil
	}
}

// countFragment counts a data frame and reports whether its message may have it.
func (d *decoder) countFragment(h *ws.Header) bool {
	if h.Fin && h.OpCode != ws.OpContinuation {
		return true
	}
	c := d.begun()
	c.fragments++
	return c.fragments <= maxFragments
}

func (d *decoder) state() ws.State {
	if d.flags&inMessage != 0 {
		return ws.StateServerSide | ws.StateFragmented
	}
	return ws.StateServerSide
}
