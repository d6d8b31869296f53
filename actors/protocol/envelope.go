package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// Envelope is a frame of the plain profile. Its slices are the raw contents of JSON strings, escapes untouched, and
// point into the frame.
type Envelope struct {
	From, To, Payload []byte
	HasFrom           bool // from is optional: without it the sender is the connection's user
	Exact             bool // the frame is from, to and payload, names without escapes, and nothing else: forward it as it is
}

// Parse reads a frame and returns nil, ErrInvalid or ErrUTF8. With ErrInvalid, To is still what the frame said as far
// as it could be read, for the error to repeat; the other fields mean nothing then.
//
// A frame is one JSON object with the strings to and payload and, optionally, from. Other members are ignored, but all
// of the frame has to be JSON, with no name twice in one object and nothing deeper than MaxNesting.
func (e *Envelope) Parse(frame []byte) error {
	if e.parseCommon(frame) {
		return nil
	}
	s := scanner{frame: frame}
	err := s.scan()
	if err == ErrUTF8 {
		*e = Envelope{}
		return err
	}
	e.From, e.To, e.Payload = s.raw(fieldFrom), s.raw(fieldTo), s.raw(fieldPayload)
	e.HasFrom = s.has(fieldFrom)
	e.Exact = !s.odd && s.seen == 1<<fieldFrom|1<<fieldTo|1<<fieldPayload
	if e.To == nil || e.Payload == nil || e.HasFrom && e.From == nil {
		return ErrInvalid
	}
	return err
}

// The form in which nearly every frame comes: what JSON.stringify and its like make of the three members in the order
// of the specification. With both ids in place, everything but the payload stands at known offsets.
const (
	commonFrom    = `{"from":"`
	commonTo      = `","to":"`
	commonPayload = `","payload":"`
	commonEnd     = `"}`

	commonFromAt    = len(commonFrom)
	commonToAt      = commonFromAt + UserIDLen + len(commonTo)
	commonPayloadAt = commonToAt + UserIDLen + len(commonPayload)
)

// parseCommon reads a frame of the common form, and says whether it was one. It decides nothing that the scanner would
// decide otherwise: what it does not take may still be valid.
func (e *Envelope) parseCommon(frame []byte) bool {
	if len(frame) < commonPayloadAt+len(commonEnd) ||
		string(frame[:commonFromAt]) != commonFrom ||
		string(frame[commonFromAt+UserIDLen:commonToAt]) != commonTo ||
		string(frame[commonToAt+UserIDLen:commonPayloadAt]) != commonPayload {
		return false
	}
	from := frame[commonFromAt : commonFromAt+UserIDLen : commonFromAt+UserIDLen]
	to := frame[commonToAt : commonToAt+UserIDLen : commonToAt+UserIDLen]
	if !plainText(from) || !plainText(to) {
		return false
	}
	s := scanner{frame: frame}
	end := s.str(commonPayloadAt)
	if end != len(frame)-len(commonEnd) || frame[len(frame)-1] != '}' || s.high&tops != 0 && !utf8.Valid(frame) {
		return false
	}
	e.From, e.To, e.Payload = from, to, frame[commonPayloadAt:end:end]
	e.HasFrom, e.Exact = true, true
	return true
}

// plainText says that a text of the length of an id is ASCII and holds nothing that ends or escapes a JSON string.
func plainText(text []byte) bool {
	odd := uint64(0)
	for i := 0; i < UserIDLen; i += wordLen {
		w := binary.LittleEndian.Uint64(text[i:])
		odd |= stops(w) | w&tops
	}
	return odd == 0
}
