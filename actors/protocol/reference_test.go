package protocol_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// The reference reads a frame with encoding/json, which knows the grammar, and adds what it does not check. It shares
// nothing with the scanner, so that the two can be held against each other.

// member is a member of the frame's object.
type member struct {
	raw  string // the value as it stands in the frame
	name string // the name as it stands in the frame, between its quotes
}

func (m member) isString() bool { return m.raw != "" && m.raw[0] == '"' }

// content returns what stands between a string's quotes.
func (m member) content() string { return m.raw[1 : len(m.raw)-1] }

// text returns the string that a string value stands for.
func (m member) text() string { return string(utf16.Decode(codeUnits(m.content()))) }

// referenceObject returns the members of the frame's object by their decoded names, and false if the frame is not one
// JSON object with distinct names and bounded nesting.
func referenceObject(frame []byte) (map[string]member, bool) {
	if !json.Valid(frame) || bytes.TrimLeft(frame, " \t\r\n")[0] != '{' {
		return nil, false
	}
	r := reference{frame: frame, dec: json.NewDecoder(bytes.NewReader(frame)), members: map[string]member{}}
	r.dec.UseNumber()
	if !r.value(0) {
		return nil, false
	}
	return r.members, true
}

type reference struct {
	frame   []byte
	dec     *json.Decoder
	members map[string]member
}

// value reads the next value, which stands depth deep, and says whether it is in order.
func (r *reference) value(depth int) bool {
	token, err := r.dec.Token()
	if err != nil {
		panic(err) // json.Valid has passed it
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return true
	}
	if depth == protocol.MaxNesting {
		return false
	}
	names := map[string]bool{}
	for r.dec.More() {
		var m member
		if delim == '{' {
			m.name = strings.Trim(r.next(func() bool { _, err := r.dec.Token(); return err == nil }), ", \t\r\n")
			m.name = m.name[1 : len(m.name)-1]
			key := codeUnitString(m.name)
			if names[key] {
				return false
			}
			names[key] = true
		}
		ok := true
		raw := r.next(func() bool { ok = r.value(depth + 1); return ok })
		if !ok {
			return false
		}
		if depth == 0 {
			m.raw = strings.TrimLeft(raw, ": \t\r\n")
			r.members[codeUnitString(m.name)] = m
		}
	}
	_, err = r.dec.Token()
	return err == nil
}

// next returns what read moves over.
func (r *reference) next(read func() bool) string {
	start := r.dec.InputOffset()
	if !read() {
		return ""
	}
	return string(r.frame[start:r.dec.InputOffset()])
}

// codeUnits returns the UTF-16 code units of a JSON string's content: that is what a string is in JavaScript, where
// half a surrogate pair is a character like any other.
func codeUnits(content string) (units []uint16) {
	for content != "" {
		if content[0] != '\\' {
			r, n := utf8.DecodeRuneInString(content)
			units = utf16.AppendRune(units, r)
			content = content[n:]
			continue
		}
		if content[1] == 'u' {
			unit, err := strconv.ParseUint(content[2:6], 16, 16)
			if err != nil {
				panic(err)
			}
			units = append(units, uint16(unit))
			content = content[6:]
			continue
		}
		var text string
		if err := json.Unmarshal([]byte(`"`+content[:2]+`"`), &text); err != nil {
			panic(err)
		}
		units = utf16.AppendRune(units, rune(text[0]))
		content = content[2:]
	}
	return units
}

// codeUnitString makes a map key of code units; for names in ASCII it is the name.
func codeUnitString(content string) string {
	var b strings.Builder
	for _, unit := range codeUnits(content) {
		if unit < utf8.RuneSelf {
			b.WriteByte(byte(unit))
		} else {
			b.WriteString("<" + strconv.Itoa(int(unit)) + ">\x00")
		}
	}
	return b.String()
}

// referenceEnvelope is what Envelope.Parse has to find.
func referenceEnvelope(frame []byte) (e protocol.Envelope, err error) {
	if !utf8.Valid(frame) {
		return e, protocol.ErrUTF8
	}
	members, ok := referenceObject(frame)
	if !ok {
		return e, protocol.ErrInvalid
	}
	from, hasFrom := members["from"]
	to, payload := members["to"], members["payload"]
	if to.isString() {
		e.To = []byte(to.content())
	}
	if !to.isString() || !payload.isString() || hasFrom && !from.isString() {
		return e, protocol.ErrInvalid
	}
	e.Payload = []byte(payload.content())
	if e.HasFrom = hasFrom; hasFrom {
		e.From = []byte(from.content())
	}
	e.Exact = hasFrom && len(members) == 3 && from.name == "from" && to.name == "to" && payload.name == "payload"
	return e, nil
}

// referenceFrame is what ClientFrame.Parse has to find.
func referenceFrame(frame []byte) (f protocol.ClientFrame, err error) {
	if !utf8.Valid(frame) {
		return f, protocol.ErrUTF8
	}
	m, ok := referenceObject(frame)
	if !ok {
		return f, protocol.ErrInvalid
	}
	if to := m["to"]; to.isString() {
		f.To = []byte(to.content())
	}
	if id := m["id"]; id.isString() && referenceID(id.text()) {
		f.ID = []byte(id.text())
	}
	if !m["type"].isString() || !fillReference(&f, m[`type`].text(), m) {
		return f, protocol.ErrInvalid
	}
	return f, nil
}

func fillReference(f *protocol.ClientFrame, kind string, m map[string]member) bool {
	switch kind {
	case "send":
		f.Type = protocol.FrameSend
		if f.ID == nil || f.To == nil || !m["payload"].isString() {
			return false
		}
		f.Payload = []byte(m["payload"].content())
		if _, f.HasTTL = m["ttl"]; f.HasTTL {
			ttl, ok := referenceWhole(m["ttl"].raw)
			f.TTL = int64(ttl)
			return ok && 1 <= ttl && ttl <= 1<<53
		}
		return true
	case "recv":
		f.Type = protocol.FrameRecv
		var ok bool
		f.Seq, ok = referenceWhole(m["seq"].raw)
		return ok
	case "proof":
		f.Type = protocol.FrameProof
		for name, field := range map[string]*[]byte{"tag": &f.Tag, "sig": &f.Sig} {
			if value, ok := m[name]; ok && !value.isString() {
				return false
			} else if ok {
				*field = []byte(referenceText(value))
			}
		}
		return true
	}
	return false
}

// referenceText returns a string's bytes, with half a surrogate pair as the three bytes UTF-8 would give it.
func referenceText(value member) string {
	var b strings.Builder
	units := codeUnits(value.content())
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if i+1 < len(units) && utf16.DecodeRune(r, rune(units[i+1])) != utf8.RuneError {
			r = utf16.DecodeRune(r, rune(units[i+1]))
			i++
		}
		if utf16.IsSurrogate(r) {
			b.Write([]byte{byte(0xE0 + r/4096), byte(0x80 + r/64%64), byte(0x80 + r%64)})
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func referenceID(id string) bool {
	return 0 < len(id) && len(id) <= 64 && strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// referenceWhole returns the value of a number that is whole and fits, with rational arithmetic.
func referenceWhole(raw string) (uint64, bool) {
	if raw == "" || !strings.Contains("-0123456789", raw[:1]) {
		return 0, false
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(raw), "e")
	value, ok := new(big.Rat).SetString(mantissa)
	if !ok {
		panic("mantissa " + raw)
	}
	if exponent != "" && value.Sign() != 0 {
		n, err := strconv.Atoi(exponent)
		if most := len(raw) + 30; err != nil || n > most || n < -most {
			return 0, false // too large, or not whole, for any mantissa of this length
		}
		scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil))
		if n < 0 {
			scale.Inv(scale)
		}
		value.Mul(value, scale)
	}
	if !value.IsInt() || !value.Num().IsUint64() {
		return 0, false
	}
	return value.Num().Uint64(), true
}
