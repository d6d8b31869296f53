package load

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	// OpText and OpBinary are what a [Dialect] writes its messages as.
	OpText   = 0x1
	OpBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

const (
	finBit   = 0x80
	maskBit  = 0x80
	length16 = 126
	length64 = 127

	// maxFrame bounds what a server may send in one frame; whole frames are held in memory.
	maxFrame = 32 << 20
)

var (
	errFragment = errors.New("the server fragments its messages, which this generator does not read")
	errFrame    = errors.New("the server sent a frame that RFC 6455 does not allow")
)

// appendFrame appends a masked frame. The mask key need not be secret here, only there: a server has to unmask whatever
// it is.
func appendFrame(dst []byte, op byte, key uint32, payload []byte) []byte {
	n := len(payload)
	dst = append(dst, finBit|op)
	switch {
	case n < length16:
		dst = append(dst, maskBit|byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|length16), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, maskBit|length64), uint64(n))
	}
	dst = binary.LittleEndian.AppendUint32(dst, key)
	at := len(dst)
	dst = append(dst, payload...)
	mask(dst[at:], key)
	return dst
}

// mask applies a mask key, eight bytes at a time.
func mask(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(wide >> (8 * i))
	}
}

// nextFrame takes the first frame off data. size is 0 if it is not there as a whole.
func nextFrame(data []byte) (op byte, payload []byte, size int, err error) {
	if len(data) < 2 {
		return 0, nil, 0, nil
	}
	op = data[0] & 0x0F
	head, n := 2, uint64(data[1])
	switch n {
	case length16:
		if head = 4; len(data) < head {
			return 0, nil, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(data[2:]))
	case length64:
		if head = 10; len(data) < head {
			return 0, nil, 0, nil
		}
		n = binary.BigEndian.Uint64(data[2:])
	}
	switch {
	case data[0]&finBit == 0 || op == opContinuation:
		return 0, nil, 0, errFragment
	case data[0]&0x70 != 0 || data[1]&maskBit != 0 || n > maxFrame:
		return 0, nil, 0, errFrame
	case uint64(len(data)) < uint64(head)+n:
		return 0, nil, 0, nil
	}
	size = head + int(n)
	return op, data[head:size], size, nil
}
