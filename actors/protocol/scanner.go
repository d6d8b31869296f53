package protocol

import (
	"bytes"
	"errors"
	"math"
	"unicode/utf8"
)

// What a frame that cannot be taken is refused with. Callers compare with ==.
var (
	// ErrInvalid: the frame is valid UTF-8 and not the JSON object it has to be.
	ErrInvalid = errors.New("invalid message")
	// ErrUTF8: the frame is not valid UTF-8, whatever else may be wrong with it.
	ErrUTF8 = errors.New("invalid UTF-8")
)

// field is a member of a frame that means something to this protocol.
type field uint8

const (
	fieldFrom field = iota
	fieldTo
	fieldPayload
	fieldType
	fieldID
	fieldTTL
	fieldSeq
	fieldTag
	fieldSig

	fieldCount
	fieldOther = fieldCount
)

// fieldNamed returns the field with the given decoded name.
func fieldNamed(name []byte) field {
	switch string(name) {
	case "from":
		return fieldFrom
	case "to":
		return fieldTo
	case "payload":
		return fieldPayload
	case "type":
		return fieldType
	case "id":
		return fieldID
	case "ttl":
		return fieldTTL
	case "seq":
		return fieldSeq
	case "tag":
		return fieldTag
	case "sig":
		return fieldSig
	}
	return fieldOther
}

// span is where a value stands in the frame, quotes and brackets included; the zero span is an absent value.
type span struct {
	from, to uint32
	escaped  bool // its member was written with escapes, the name or the value
}

// scanner reads one JSON object (RFC 8259) in one pass, checks all of it and notes where its fields stand. It exists
// because encoding/json takes what this protocol refuses (duplicate names, invalid UTF-8) and is twenty times slower.
//
// Its methods take the index where something begins and return the index behind it, or failed.
type scanner struct {
	frame   []byte
	high    uint64 // all bytes of strings, OR-ed together eight at a time: tells whether there may be non-ASCII
	escaped bool   // str has met a backslash since name began
	odd     bool   // the object has a member that is no field, or a name written with escapes
	seen    uint16 // fields present, as a bit set
	fields  [fieldCount]span

	names names // those that are no fields
}

// failed is what a scan of something malformed returns. It is so far below zero that the small steps its callers
// make from it stay below zero, where at finds nothing: hence one check at the end of a chain is enough.
const failed = math.MinInt32

// scan reads the whole frame. On ErrInvalid, fields holds what stood before the fault.
func (s *scanner) scan() error {
	ok := s.onlyObject()
	if (!ok || s.high&tops != 0) && !utf8.Valid(s.frame) {
		return ErrUTF8
	}
	if !ok {
		return ErrInvalid
	}
	return nil
}

func (s *scanner) onlyObject() bool {
	// str relies on a word's length, and no frame of the protocol is as short; spans rely on the upper bound.
	if len(s.frame) < wordLen || len(s.frame) > math.MaxInt32 {
		return false
	}
	i := s.space(0)
	if s.at(i) != '{' {
		return false
	}
	return s.space(s.object(i+1, 1)) == len(s.frame)
}

// at returns the byte at i, or 0, which is nowhere valid, outside the frame.
func (s *scanner) at(i int) byte {
	if uint(i) < uint(len(s.frame)) {
		return s.frame[i]
	}
	return 0
}

// space skips white space.
func (s *scanner) space(i int) int {
	if uint(i) < uint(len(s.frame)) && s.frame[i] > ' ' {
		return i
	}
	return s.skipSpace(i)
}

func (s *scanner) skipSpace(i int) int {
	for c := s.at(i); c == ' ' || c == '\n' || c == '\r' || c == '\t'; c = s.at(i) {
		i++
	}
	return i
}

// value reads any value. depth is that of the array or object it stands in.
func (s *scanner) value(i, depth int) int {
	switch c := s.at(i); c {
	case '"':
		return s.str(i+1) + 1
	case '{', '[':
		if depth == MaxNesting {
			return failed
		}
		if c == '[' {
			return s.array(i+1, depth+1)
		}
		return s.object(i+1, depth+1)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	}
	return s.number(i)
}

func (s *scanner) literal(i int, text string) int {
	if !bytes.HasPrefix(s.frame[i:], []byte(text)) {
		return failed
	}
	return i + len(text)
}

// array reads an array from behind its bracket.
func (s *scanner) array(i, depth int) int {
	i = s.space(i)
	if s.at(i) == ']' {
		return i + 1
	}
	for {
		i = s.space(s.value(i, depth))
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return failed
		}
	}
}

// object reads an object from behind its brace; the one at depth 1 is the frame itself, whose fields it notes.
func (s *scanner) object(i, depth int) int {
	base := s.names.count
	i = s.space(i)
	if s.at(i) == '}' {
		return i + 1
	}
	for {
		var f field
		if i, f = s.name(i, depth); i < 0 {
			return failed
		}
		start := i
		if i = s.value(i, depth); i < 0 {
			return failed
		}
		if f != fieldOther {
			s.fields[f] = span{from: uint32(start), to: uint32(i), escaped: s.escaped}
		}
		i = s.space(i)
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case '}':
			if !s.names.distinct(s.frame, base) {
				return failed
			}
			return i + 1
		default:
			return failed
		}
	}
}

// name reads a member up to its value and returns the field it is.
func (s *scanner) name(i, depth int) (int, field) {
	if s.at(i) != '"' {
		return failed, fieldOther
	}
	start := i + 1
	s.escaped = false
	end := s.str(start)
	if i = s.space(end + 1); s.at(i) != ':' {
		return failed, fieldOther
	}
	i = s.space(i + 1)
	f := fieldOther
	if depth == 1 {
		f = fieldNamed(s.frame[start:end])
	}
	if f == fieldOther {
		f = s.otherName(start, end, depth)
	}
	if f != fieldOther {
		if s.seen&(1<<f) != 0 {
			return failed, f
		}
		s.seen |= 1 << f
	}
	return i, f
}

// raw returns what stands between the quotes of a field, or nil if it is absent or no string.
func (s *scanner) raw(f field) []byte {
	at := s.fields[f]
	if at.to == 0 || s.frame[at.from] != '"' {
		return nil
	}
	return s.frame[at.from+1 : at.to-1 : at.to-1]
}

// text returns the string that a field is, or nil if it is absent or no string.
func (s *scanner) text(f field) []byte {
	raw := s.raw(f)
	if !s.fields[f].escaped || raw == nil {
		return raw
	}
	return Unescape(make([]byte, 0, len(raw)), raw)
}

// whole returns the whole number that a field is, and false if it is absent or something else.
func (s *scanner) whole(f field) (uint64, bool) {
	at := s.fields[f]
	if at.to == 0 {
		return 0, false
	}
	if c := s.frame[at.from]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	return parseWhole(s.frame[at.from:at.to])
}

// has says whether a field is present, of whatever kind.
func (s *scanner) has(f field) bool { return s.fields[f].to != 0 }
