package redis

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// A record is one element of a queue. Integers are big-endian. The functions on the server read what stands before the
// payload, see lua/common.lua: a change here is a change there, and a new version.
//
//	version 1 | seq 8 | expires 8 | id length 1 | from 20 | id | time 8 | checksum 4 | payload
//
// The checksum is the CRC-32C of the recipient and of all else in the record: an element that strayed into another
// user's queue is corrupt, too.
const (
	recordVersion = 1

	seqAt     = 1
	expiresAt = seqAt + 8
	idLenAt   = expiresAt + 8
	fromAt    = idLenAt + 1
	idAt      = fromAt + len(protocol.UserID{})

	recordFixed = idAt + 8 + 4 // bytes of a record without id and payload
	maxIDLen    = 255          // what the length byte can say
	maxSeq      = 1<<53 - 1    // above it the server's numbers are inexact
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordSize is the length of an envelope's record.
func recordSize(p *persistence.Pending) int { return recordFixed + len(p.ID) + len(p.Payload) }

// appendRecord appends an envelope's record to dst. The envelope must be valid, see [checkPending].
func appendRecord(dst []byte, p *persistence.Pending) []byte {
	start := len(dst)
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, p.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Expires))
	dst = append(dst, byte(len(p.ID)))
	dst = append(dst, p.From[:]...)
	dst = append(dst, p.ID...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Time))
	sum := checksum(p.To, dst[start:], p.Payload)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, p.Payload...)
}

// parseRecord reads an element of to's queue. The payload and the id's bytes are those of b, which the result owns.
func parseRecord(to protocol.UserID, b []byte) (persistence.Pending, error) {
	if len(b) < recordFixed {
		return persistence.Pending{}, fmt.Errorf("%w: %d bytes", persistence.ErrCorrupt, len(b))
	}
	if b[0] != recordVersion {
		return persistence.Pending{}, fmt.Errorf("%w: version %d", persistence.ErrCorrupt, b[0])
	}
	idLen := int(b[idLenAt])
	if len(b) < recordFixed+idLen {
		return persistence.Pending{}, fmt.Errorf("%w: %d bytes with an id of %d", persistence.ErrCorrupt, len(b), idLen)
	}
	timeAt := idAt + idLen
	sumAt := timeAt + 8
	payload := b[sumAt+4:]
	if binary.BigEndian.Uint32(b[sumAt:]) != checksum(to, b[:sumAt], payload) {
		return persistence.Pending{}, fmt.Errorf("%w: checksum", persistence.ErrCorrupt)
	}
	return persistence.Pending{
		To:      to,
		From:    protocol.UserID(b[fromAt:idAt]),
		Seq:     binary.BigEndian.Uint64(b[seqAt:]),
		Time:    int64(binary.BigEndian.Uint64(b[timeAt:])),
		Expires: int64(binary.BigEndian.Uint64(b[expiresAt:])),
		ID:      string(b[idAt:timeAt]),
		Payload: payload,
	}, nil
}

func checksum(to protocol.UserID, head, payload []byte) uint32 {
	sum := crc32.Checksum(to[:], castagnoli)
	sum = crc32.Update(sum, castagnoli, head)
	return crc32.Update(sum, castagnoli, payload)
}

// checkPending says what makes an envelope impossible to store. It can only be the caller's mistake.
func checkPending(p *persistence.Pending) error {
	if p.Seq == 0 || p.Seq > maxSeq {
		return fmt.Errorf("append: seq %d out of range", p.Seq)
	}
	if len(p.ID) > maxIDLen {
		return fmt.Errorf("append: id of %d bytes", len(p.ID))
	}
	return nil
}
