package embedded

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// recordVersion is the first byte of every value. A later encoding takes another, and can be read beside this one.
const recordVersion = 1

// mailHeader is the length of an envelope's value without id and payload: version, sender, time, expiry, id length.
const mailHeader = 1 + userLen + 8 + 8 + 1

// envelope is a stored envelope as it lies in the engine's memory: id and payload are valid as long as that is.
type envelope struct {
	from    protocol.UserID
	time    int64
	expires int64
	id      []byte
	payload []byte
}

func corrupt(what string) error { return fmt.Errorf("%s: %w", what, persistence.ErrCorrupt) }

// encodedMailLen returns the length of the value of an envelope.
func encodedMailLen(p *persistence.Pending) int { return mailHeader + len(p.ID) + len(p.Payload) }

// encodeMail writes the value of an envelope to dst, which is encodedMailLen long. The id is at most 255 bytes.
func encodeMail(dst []byte, p *persistence.Pending) {
	dst[0] = recordVersion
	copy(dst[1:], p.From[:])
	binary.LittleEndian.PutUint64(dst[1+userLen:], uint64(p.Time))
	binary.LittleEndian.PutUint64(dst[1+userLen+8:], uint64(p.Expires))
	dst[mailHeader-1] = byte(len(p.ID))
	copy(dst[mailHeader+copy(dst[mailHeader:], p.ID):], p.Payload)
}

// parseMail reads the value of an envelope. It takes any bytes.
func parseMail(value []byte) (e envelope, err error) {
	if len(value) < mailHeader || value[0] != recordVersion {
		return e, corrupt("stored envelope")
	}
	copy(e.from[:], value[1:])
	e.time = int64(binary.LittleEndian.Uint64(value[1+userLen:]))
	e.expires = int64(binary.LittleEndian.Uint64(value[1+userLen+8:]))
	n := int(value[mailHeader-1])
	if len(value) < mailHeader+n {
		return e, corrupt("stored envelope")
	}
	e.id = value[mailHeader : mailHeader+n]
	e.payload = value[mailHeader+n:]
	return e, nil
}

// state is what is known of a mailbox beside its envelopes.
type state struct {
	highest uint64 // seq ever appended
	floor   uint64 // all up to this seq is confirmed and gone; at most highest
	count   uint64 // pending envelopes
	bytes   uint64 // their payload bytes
	ids     uint64 // how many of them have an id
	due     uint64 // time of the user's due key, at or before the soonest expiry of those pending; 0: there is none

	tail uint64 // not stored: envelopes above the highest of the stored state, see the package comment
}

// add counts one envelope more, appended after all others.
func (s *state) add(seq uint64, payload int, id bool, expires int64) {
	s.highest = seq
	s.count++
	s.bytes += uint64(payload)
	if id {
		s.ids++
	}
	if due := dueTime(expires); s.due == 0 || due < s.due {
		s.due = due
	}
	s.tail++
}

// dueTime is when Expire is to look at an envelope: its expiry, but above zero, which means never.
func dueTime(expires int64) uint64 { return uint64(max(expires, 1)) }

// appendState appends the value of a state.
func appendState(dst []byte, s *state) []byte {
	dst = append(dst, recordVersion)
	for _, v := range [...]uint64{s.highest, s.floor, s.count, s.bytes, s.ids, s.due} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

// parseState is the inverse of appendState. It takes any bytes.
func parseState(value []byte) (s state, err error) {
	if len(value) == 0 || value[0] != recordVersion {
		return s, corrupt("stored mailbox state")
	}
	value = value[1:]
	for _, field := range [...]*uint64{&s.highest, &s.floor, &s.count, &s.bytes, &s.ids, &s.due} {
		v, n := binary.Uvarint(value)
		if n <= 0 {
			return state{}, corrupt("stored mailbox state")
		}
		*field, value = v, value[n:]
	}
	if len(value) != 0 || s.floor > s.highest || s.ids > s.count || s.due > math.MaxInt64 {
		return state{}, corrupt("stored mailbox state")
	}
	return s, nil
}

const lockedFlag = 1

// appendKeyRecord appends the value of a user's public key.
func appendKeyRecord(dst, key []byte, locked bool) []byte {
	flags := byte(0)
	if locked {
		flags |= lockedFlag
	}
	return append(append(dst, recordVersion, flags), key...)
}

// parseKeyRecord is the inverse of appendKeyRecord. It takes any bytes; the key lies in value.
func parseKeyRecord(value []byte) (key []byte, locked bool, err error) {
	if len(value) < 2 || value[0] != recordVersion || value[1]&^lockedFlag != 0 {
		return nil, false, corrupt("stored key")
	}
	return value[2:], value[1]&lockedFlag != 0, nil
}

// appendUint64 appends the value of the ceiling, of the format, and of an entry in the index of ids.
func appendUint64(dst []byte, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, recordVersion), v)
}

// parseUint64 is the inverse of appendUint64. It takes any bytes.
func parseUint64(value []byte) (uint64, error) {
	if len(value) != 1+8 || value[0] != recordVersion {
		return 0, corrupt("stored number")
	}
	return binary.LittleEndian.Uint64(value[1:]), nil
}
