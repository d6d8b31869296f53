package protocol

import "encoding/binary"

// Opcode is the kind of a WebSocket frame (RFC 6455, section 5.2).
type Opcode byte

// The opcodes of RFC 6455.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

const (
	// MaxFrameHeaderLen is the longest header that a server writes: two bytes and a 64-bit length.
	MaxFrameHeaderLen = 10
	// MaxControlPayload bounds the payload of Close, Ping and Pong (RFC 6455, section 5.5).
	MaxControlPayload = 125

	finBit        = 0x80
	length16      = 126 // in the 7-bit length field: a 16-bit length follows
	length64      = 127 // in the 7-bit length field: a 64-bit length follows
	maxLength16   = 1<<16 - 1
	shortHeader   = 2
	header16      = 4
	closeCodeSize = 2
)

// FrameHeaderLen returns how many bytes AppendFrameHeader writes for a payload of n bytes. The header a client sent
// for the same payload is four bytes longer, for its mask key, so ours fits over it.
func FrameHeaderLen(n int) int {
	switch {
	case n < length16:
		return shortHeader
	case n <= maxLength16:
		return header16
	}
	return MaxFrameHeaderLen
}

// AppendFrameHeader appends the header of a whole, unmasked frame whose payload of n bytes is to follow.
func AppendFrameHeader(dst []byte, op Opcode, n int) []byte {
	dst = append(dst, finBit|byte(op))
	switch {
	case n < length16:
		return append(dst, byte(n))
	case n <= maxLength16:
		return binary.BigEndian.AppendUint16(append(dst, length16), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, length64), uint64(n))
}

// AppendFrame appends a whole, unmasked frame.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(AppendFrameHeader(dst, op, len(payload)), payload...)
}

// AppendClose appends a close frame with the code and its reason. Code 0 makes one without either, as an answer to
// such a frame. A client's code that is echoed has no reason.
func AppendClose(dst []byte, code CloseCode) []byte {
	if code == 0 {
		return AppendFrameHeader(dst, OpClose, 0)
	}
	reason := code.Reason()
	dst = AppendFrameHeader(dst, OpClose, closeCodeSize+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}
