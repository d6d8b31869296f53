package actors

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Receivers and desks are conns whose client is Go code of the host. They speak v1 with the shard, like any other conn:
// what the shard writes for them is read here. Every frame is one that this package encoded, so a reader has only to
// know that form, and what does not have it is a bug.

// eachFrame calls f for every frame in p: the shard writes whole frames, and these conns take all.
func eachFrame(p []byte, f func(op protocol.Opcode, payload []byte)) {
	for len(p) > 0 {
		n, head := int(p[1]), 2
		switch n {
		case 126:
			n, head = int(binary.BigEndian.Uint16(p[2:])), 4
		case 127:
			n, head = int(binary.BigEndian.Uint64(p[2:])), 10
		}
		f(protocol.Opcode(p[0]&15), p[head:head+n])
		p = p[head+n:]
	}
}

// Beginnings of v1 frames, as package protocol writes them.
var (
	messageHead = []byte(`{"type":"message","from":"`)
	ackHead     = []byte(`{"type":"ack","id":"`)
	errorHead   = []byte(`{"type":"error","code":"`)
)

const foreignFrame = "actors: a frame of ours does not parse"

// read reads a message frame, behind messageHead.
func (m *Message) read(rest []byte) {
	m.From, rest = readUser(rest)
	_, rest = readUser(expect(rest, `","to":"`))
	payload, rest := readString(expect(rest, `","payload":"`))
	if after, found := bytes.CutPrefix(rest, []byte(`,"id":"`)); !found {
		m.Payload = decode(payload)
	} else {
		var id []byte
		id, rest = readString(after)
		m.Payload, m.ID = decodeBoth(payload, id)
	}
	m.Seq, rest = readNumber(expect(rest, `,"seq":`))
	at, rest := readNumber(expect(rest, `,"time":`))
	m.Time = time.UnixMilli(int64(at))
	m.Redelivered = rest[0] == ','
}

// decodeBoth decodes a payload and the id that stands behind it in the same frame: where nothing is escaped, with one
// copy of both.
func decodeBoth(payload, id []byte) (string, string) {
	if bytes.IndexByte(payload, '\\') >= 0 || bytes.IndexByte(id, '\\') >= 0 {
		return decode(payload), decode(id)
	}
	text := string(payload[:len(payload)+len(`","id":"`)+len(id)])
	return text[:len(payload)], text[len(text)-len(id):]
}

// readAck reads an ack frame, behind ackHead.
func readAck(rest []byte) (id []byte, to protocol.UserID) {
	id, rest = readString(rest)
	to, _ = readUser(expect(rest, `,"to":"`))
	return id, to
}

// readError reads an error frame, behind errorHead. id is nil where it has none.
func readError(rest []byte) (code protocol.Code, id []byte, to protocol.UserID) {
	name, rest := readString(rest)
	code = codeNamed(string(name))
	_, rest = readString(expect(rest, `,"error":"`))
	if after, found := bytes.CutPrefix(rest, []byte(`,"id":"`)); found {
		id, rest = readString(after)
	}
	if after, found := bytes.CutPrefix(rest, []byte(`,"to":"`)); found && len(after) > protocol.UserIDLen {
		to, _ = readUser(after)
	}
	return code, id, to
}

func codeNamed(name string) protocol.Code {
	for code := protocol.CodeNone + 1; code < protocol.CodeInternal; code++ {
		if code.String() == name {
			return code
		}
	}
	return protocol.CodeInternal
}

func expect(rest []byte, text string) []byte {
	rest, found := bytes.CutPrefix(rest, []byte(text))
	if !found {
		panic(foreignFrame)
	}
	return rest
}

func readUser(rest []byte) (protocol.UserID, []byte) {
	if len(rest) < protocol.UserIDLen {
		panic(foreignFrame)
	}
	id, ok := protocol.ParseUserID(rest[:protocol.UserIDLen])
	if !ok {
		panic(foreignFrame)
	}
	return id, rest[protocol.UserIDLen:]
}

// readString reads the content of a JSON string, and skips the quote at its end.
func readString(rest []byte) (raw, after []byte) {
	for at := 0; ; {
		n := bytes.IndexByte(rest[at:], '"')
		if n < 0 {
			panic(foreignFrame)
		}
		at += n
		slashes := 0
		for slashes < at && rest[at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return rest[:at], rest[at+1:]
		}
		at++
	}
}

func readNumber(rest []byte) (n uint64, after []byte) {
	at := 0
	for at < len(rest) && isDigit(rest[at]) {
		n = n*10 + uint64(rest[at]-'0')
		at++
	}
	return n, rest[at:]
}

// decode returns what the content of a JSON string stands for.
func decode(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	return string(protocol.Unescape(nil, raw))
}
