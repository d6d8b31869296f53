package transport

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// parseHeader reads a frame's header from the beginning of p into h, which is empty, and returns its size, 0 if p holds
// only a part of it. What two bytes can show to be wrong is reported with two bytes.
func parseHeader(h *ws.Header, p []byte, state ws.State) (size int, err error) {
	if len(p) < 2 {
		return 0, nil
	}
	if p[1] == 0x80|126 && (p[0] == 0x81 || p[0] == 0x82) && len(p) >= 8 && state == ws.StateServerSide {
		// A whole masked message of 126 to 65,535 bytes, which most are: nothing can be wrong with it but its length.
		if n := int64(binary.BigEndian.Uint16(p[2:])); n >= 126 {
			h.Fin, h.OpCode, h.Masked, h.Mask, h.Length = true, ws.OpCode(p[0]&0x0f), true, [4]byte(p[4:8]), n
			return 8, nil
		}
	}
	h.Fin, h.Rsv, h.OpCode = p[0]&0x80 != 0, p[0]>>4&7, ws.OpCode(p[0]&0x0f)
	h.Masked, h.Length = p[1]&0x80 != 0, int64(p[1]&0x7f)
	if err := ws.CheckHeader(*h, state); err != nil {
		return 0, err
	}
	size = 2
	switch h.Length {
	case 126:
		size += 2
		if len(p) < size {
			return 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		if h.Length < 126 {
			return 0, errLength
		}
	case 127:
		size += 8
		if len(p) < size {
			return 0, nil
		}
		n := binary.BigEndian.Uint64(p[2:])
		if n < 1<<16 || n > 1<<63-1 {
			return 0, errLength
		}
		h.Length = int64(n)
	}
	if len(p) < size+4 {
		return 0, nil
	}
	copy(h.Mask[:], p[size:])
	return size + 4, nil
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
