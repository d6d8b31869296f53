package transport

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

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

// event is what one call of [decoder.next] found. The payload is unmasked. It lies in the input, or in a chunk that
// [decoder.takeSpent] returns next.
type event struct {
	kind    eventKind
	binary  bool // of a message
	code    ws.StatusCode
	payload []byte
}

// decoder turns the bytes that a client sent, cut anywhere, into messages and control frames: RFC 6455, section 5, the
// server's side, without extensions. It never blocks. Frames that lie whole in the input are unmasked in place and not
// copied; what is cut, and a message in fragments, is copied aside into a chunk that grows with what has come, not with
// what was announced. Between messages it holds no memory but itself.
type decoder struct {
	hold      *chunk          // the fragments so far, and behind them the frame under way
	message   int32           // length of the complete fragments in hold
	missing   int32           // payload bytes of the frame under way that have not come
	mask      [4]byte         // of the frame under way, turned so that it begins with the next byte
	fragments uint16          // frames of the message under way
	head      [maxHeader]byte // the first bytes of a header that is cut
	headLen   uint8
	frame     byte // first byte of the frame under way: FIN and opcode
	flags     decoderFlags
}

type decoderFlags uint8

const (
	inPayload  decoderFlags = 1 << iota // the header of the frame under way is complete
	inMessage                           // a fragment without FIN has come
	inBinary                            // the message under way is binary
	spent                               // hold was given out as a payload
	broken                              // nothing more is decoded
	progressed                          // a message, or a control frame outside of one, was completed
)

// holding reports whether a frame or a message has begun and is not complete.
func (d *decoder) holding() bool {
	return d.headLen > 0 || d.flags&(inPayload|inMessage) != 0
}

// takeProgress reports whether anything was completed since the last call. While that is false, what holding reports is
// the same frame or message as before.
func (d *decoder) takeProgress() bool {
	is := d.flags&progressed != 0
	d.flags &^= progressed
	return is
}

// release lets go of all memory; the decoder takes no input after it.
func (d *decoder) release() {
	d.hold.release()
	*d = decoder{flags: broken}
}

// takeSpent returns the chunk in which the last event's payload lies, nil if it lies in the input. It is the caller's
// now, to be released when nothing refers to the payload any more. It is to be called after each event.
func (d *decoder) takeSpent() *chunk {
	if d.flags&spent == 0 {
		return nil
	}
	c := d.hold
	d.hold = nil
	d.flags &^= spent
	return c
}

// next decodes up to the first event and returns it with the rest of the input. It is to be called until it returns
// eventNone; the rest is empty then. A message of more than limit bytes is broken as soon as its header announces it.
func (d *decoder) next(p []byte, limit int) (event, []byte) {
	for d.flags&broken == 0 && len(p) > 0 {
		var ev event
		if d.flags&inPayload != 0 {
			ev, p = d.resume(p)
		} else {
			ev, p = d.begin(p, limit)
		}
		if ev.kind != eventNone {
			return ev, p
		}
	}
	return event{}, nil
}

// begin decodes a frame from its header on.
func (d *decoder) begin(p []byte, limit int) (event, []byte) {
	head := p
	if d.headLen > 0 {
		n := copy(d.head[d.headLen:], p)
		head = d.head[:int(d.headLen)+n]
	}
	h, size, err := parseHeader(head, d.state())
	if err != nil {
		return d.fail(ws.StatusProtocolError), nil
	}
	if size == 0 {
		d.headLen = uint8(copy(d.head[:], head))
		return event{}, nil
	}
	p = p[size-int(d.headLen):]
	frame := head[0]
	d.headLen = 0
	if !h.OpCode.IsControl() {
		if h.Length > int64(limit-int(d.message)) || !d.countFragment(h) {
			return d.fail(ws.StatusMessageTooBig), nil
		}
	}
	if h.Length <= int64(len(p)) {
		body, rest := p[:h.Length], p[h.Length:]
		ws.Cipher(body, h.Mask, 0)
		return d.complete(frame, body, false), rest
	}
	d.flags |= inPayload
	d.frame, d.mask, d.missing = frame, h.Mask, int32(h.Length)
	return d.resume(p)
}

// resume takes more of a frame that is cut.
func (d *decoder) resume(p []byte) (event, []byte) {
	n := min(int(d.missing), len(p))
	if n > 0 {
		d.hold = d.hold.extend(p[:n])
		ws.Cipher(d.hold.b[len(d.hold.b)-n:], d.mask, 0)
		d.mask = [4]byte{d.mask[n&3], d.mask[(n+1)&3], d.mask[(n+2)&3], d.mask[(n+3)&3]}
		d.missing -= int32(n)
	}
	if d.missing > 0 {
		return event{}, p[n:]
	}
	d.flags &^= inPayload
	return d.complete(d.frame, d.hold.b[d.message:], true), p[n:]
}

// complete handles a whole frame. held says that body lies at the end of hold.
func (d *decoder) complete(frame byte, body []byte, held bool) event {
	fin, op := frame&0x80 != 0, ws.OpCode(frame&0x0f)
	if op.IsControl() {
		return d.control(op, body, held)
	}
	if op != ws.OpContinuation {
		d.flags &^= inBinary
		if op == ws.OpBinary {
			d.flags |= inBinary
		}
	}
	ev := event{kind: eventMessage, binary: d.flags&inBinary != 0, payload: body}
	if fin && d.flags&inMessage == 0 {
		d.flags |= progressed
		if held {
			d.flags |= spent
		}
		return ev
	}
	if !held && len(body) > 0 {
		d.hold = d.hold.extend(body)
	}
	d.message += int32(len(body))
	if !fin {
		d.flags |= inMessage
		return event{}
	}
	d.flags &^= inMessage
	d.flags |= progressed
	if d.hold != nil {
		ev.payload = d.hold.b
		d.flags |= spent
	}
	d.message, d.fragments = 0, 0
	return ev
}

// control handles a whole control frame.
func (d *decoder) control(op ws.OpCode, body []byte, held bool) event {
	switch {
	case d.flags&inMessage == 0:
		d.flags |= progressed
		if held {
			d.flags |= spent
		}
	case held:
		// It was cut, between fragments, and lies behind them: the next ones go over it.
		body = bytes.Clone(body)
		d.hold.b = d.hold.b[:d.message]
	}
	switch op {
	case ws.OpPing:
		return event{kind: eventPing, payload: body}
	case ws.OpPong:
		return event{kind: eventPong, payload: body}
	}
	code, failure := checkClose(body)
	if failure != 0 {
		return d.fail(failure)
	}
	return event{kind: eventClose, code: code}
}

// fail ends decoding.
func (d *decoder) fail(code ws.StatusCode) event {
	d.release()
	return event{kind: eventBroken, code: code}
}

// countFragment counts a data frame and reports whether its message may have it.
func (d *decoder) countFragment(h ws.Header) bool {
	if h.Fin && h.OpCode != ws.OpContinuation {
		return true
	}
	d.fragments++
	return d.fragments <= maxFragments
}

func (d *decoder) state() ws.State {
	if d.flags&inMessage != 0 {
		return ws.StateServerSide | ws.StateFragmented
	}
	return ws.StateServerSide
}

// parseHeader reads a frame's header from the beginning of p and returns its size, 0 if p holds only a part of it. What
// two bytes can show to be wrong is reported with two bytes.
func parseHeader(p []byte, state ws.State) (ws.Header, int, error) {
	if len(p) < 2 {
		return ws.Header{}, 0, nil
	}
	h := ws.Header{
		Fin:    p[0]&0x80 != 0,
		Rsv:    p[0] >> 4 & 7,
		OpCode: ws.OpCode(p[0] & 0x0f),
		Masked: p[1]&0x80 != 0,
		Length: int64(p[1] & 0x7f),
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, 0, err
	}
	size := 2
	switch h.Length {
	case 126:
		size += 2
		if len(p) < size {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		if h.Length < 126 {
			return h, 0, errLength
		}
	case 127:
		size += 8
		if len(p) < size {
			return h, 0, nil
		}
		n := binary.BigEndian.Uint64(p[2:])
		if n < 1<<16 || n > 1<<63-1 {
			return h, 0, errLength
		}
		h.Length = int64(n)
	}
	if len(p) < size+4 {
		return h, 0, nil
	}
	copy(h.Mask[:], p[size:])
	return h, size + 4, nil
}

// errLength is a payload length that is not in its shortest form or has its highest bit set (RFC 6455, section 5.2).
const errLength = ws.ProtocolError("payload length not minimal or out of range")

// checkClose returns the status code of a Close frame's payload, or the code with which to answer an invalid one.
func checkClose(body []byte) (code, failure ws.StatusCode) {
	if len(body) == 0 {
		return ws.StatusNoStatusRcvd, 0
	}
	if len(body) == 1 {
		return 0, ws.StatusProtocolError
	}
	code = ws.StatusCode(binary.BigEndian.Uint16(body))
	switch {
	case !validCloseCode(code):
		return 0, ws.StatusProtocolError
	case !utf8.Valid(body[2:]):
		return 0, ws.StatusInvalidFramePayloadData
	}
	return code, 0
}

// validCloseCode reports whether a client may send the code: those RFC 6455, section 7.4, defines for use in a frame,
// those registered with IANA since (1012 to 1014, which ws.CheckCloseFrameData does not know), and the ranges for
// libraries and applications.
func validCloseCode(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
