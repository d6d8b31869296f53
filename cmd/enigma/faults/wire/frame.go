package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Opcode is the kind of a frame (RFC 6455, section 5.2).
type Opcode byte

// The opcodes that the tests meet.
const (
	Text   Opcode = 1
	Binary Opcode = 2
	Close  Opcode = 8
	Ping   Opcode = 9
	Pong   Opcode = 10
)

// maxFrame bounds what is read as one frame: far more than any server in a test sends.
const maxFrame = 32 << 20

const (
	finalBit = 0x80
	maskBit  = 0x80
)

// appendFrame appends an unfragmented frame. A client masks what it sends; any key will do for a test.
func appendFrame(dst []byte, op Opcode, payload []byte, masked bool) []byte {
	bit := byte(0)
	if masked {
		bit = maskBit
	}
	dst = append(dst, finalBit|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, bit|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(n))
	}
	if !masked {
		return append(dst, payload...)
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i&3])
	}
	return dst
}

// readFrame reads one frame. It insists on what an endpoint must do: mask or not as its side demands, no reserved bits,
// the shortest form of a length, control frames small. Fragments are an error too: no server here makes any.
func readFrame(r io.Reader, masked bool) (Opcode, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	op := Opcode(head[0] & 0x0f)
	if head[0]&0xf0 != finalBit {
		return 0, nil, fmt.Errorf("wire: first byte %#x: a fragment or reserved bits", head[0])
	}
	if head[1]&maskBit != 0 != masked {
		return 0, nil, fmt.Errorf("wire: masked: %t, want %t", !masked, masked)
	}
	n, err := readLength(r, head[1]&^maskBit)
	if err != nil {
		return 0, nil, err
	}
	if n > maxFrame || op >= Close && n > 125 {
		return 0, nil, fmt.Errorf("wire: a frame of %d bytes with opcode %d", n, op)
	}
	var key [4]byte
	if masked {
		if _, err := io.ReadFull(r, key[:]); err != nil {
			return 0, nil, err
		}
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= key[i&3]
	}
	return op, payload, nil
}

// readLength reads what follows the short length.
func readLength(r io.Reader, short byte) (uint64, error) {
	size, least := 0, uint64(0)
	switch short {
	case 126:
		size, least = 2, 126
	case 127:
		size, least = 8, 1<<16
	default:
		return uint64(short), nil
	}
	var b [8]byte
	if _, err := io.ReadFull(r, b[8-size:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint64(b[:])
	if n < least {
		return 0, fmt.Errorf("wire: length %d in %d bytes", n, size)
	}
	return n, nil
}
