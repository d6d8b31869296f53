package protocol

import (
	"encoding/base64"
	"strconv"
)

// The encoders append one JSON text to dst and return it. They trust their arguments: payload and to are the raw
// contents of JSON strings that a scanner here has checked, ids are decoded printable ASCII.

// AppendPlainMessage appends what a plain recipient gets: these three keys and nothing else, because the reference
// client decrypts whatever has no error key.
func AppendPlainMessage(dst []byte, from, to UserID, payload []byte) []byte {
	dst = from.AppendTo(append(dst, `{"from":"`...))
	dst = to.AppendTo(append(dst, `","to":"`...))
	dst = append(append(dst, `","payload":"`...), payload...)
	return append(dst, `"}`...)
}

// AppendError appends an error of the plain profile or of HTTP. to is what EchoTo left of the faulty message's
// recipient, nil for none.
func AppendError(dst []byte, code Code, to []byte) []byte {
	info := code.known()
	dst = append(append(dst, `{"error":"`...), info.text...)
	dst = append(append(dst, `","code":"`...), info.name...)
	return appendEnd(dst, to)
}

// AppendV1Error appends an error frame of the v1 profile. id and to are nil where the faulty frame had none; to is
// what EchoTo left of it.
func AppendV1Error(dst []byte, code Code, id, to []byte) []byte {
	info := code.known()
	dst = append(append(dst, `{"type":"error","code":"`...), info.name...)
	dst = append(append(dst, `","error":"`...), info.text...)
	if id != nil {
		dst = appendASCII(append(dst, `","id":"`...), id)
	}
	return appendEnd(dst, to)
}

// appendEnd closes the string and the object that are open, with a last member "to" unless it is nil.
func appendEnd(dst, to []byte) []byte {
	if to != nil {
		dst = append(append(dst, `","to":"`...), to...)
	}
	return append(dst, `"}`...)
}

// AppendAck appends the frame that tells a sender that its envelope is safe.
func AppendAck(dst, id []byte, to UserID) []byte {
	dst = appendASCII(append(dst, `{"type":"ack","id":"`...), id)
	dst = to.AppendTo(append(dst, `","to":"`...))
	return append(dst, `"}`...)
}

// Message is an envelope on its way to a v1 recipient.
type Message struct {
	From, To    UserID
	Payload     []byte // raw content of a JSON string
	ID          []byte // the sender's id for it, decoded; empty for a plain sender
	Seq         uint64 // its place in the recipient's order
	TimeMS      int64  // when the server took it in, milliseconds since the epoch
	Redelivered bool   // it may have been delivered before
}

// AppendV1Message appends the frame that delivers an envelope to a v1 recipient.
func AppendV1Message(dst []byte, m *Message) []byte {
	dst = m.From.AppendTo(append(dst, `{"type":"message","from":"`...))
	dst = m.To.AppendTo(append(dst, `","to":"`...))
	dst = append(append(dst, `","payload":"`...), m.Payload...)
	if len(m.ID) > 0 {
		dst = appendASCII(append(dst, `","id":"`...), m.ID)
	}
	dst = strconv.AppendUint(append(dst, `","seq":`...), m.Seq, 10)
	dst = strconv.AppendInt(append(dst, `,"time":`...), m.TimeMS, 10)
	if m.Redelivered {
		dst = append(dst, `,"redelivered":true`...)
	}
	return append(dst, '}')
}

// AppendReady appends the frame after which mail flows.
func AppendReady(dst []byte, user UserID, proven bool, limits Limits) []byte {
	dst = user.AppendTo(append(dst, `{"type":"ready","userId":"`...))
	dst = strconv.AppendBool(append(dst, `","proven":`...), proven)
	dst = limits.AppendTo(append(dst, `,"limits":`...))
	return append(dst, '}')
}

// AppendDrained appends the frame that follows the last envelope that was stored when the connection got ready.
func AppendDrained(dst []byte) []byte { return append(dst, `{"type":"drained"}`...) }

// AppendGoingAway appends the frame before a planned close. reconnectMS is how long the client is to wait before it
// comes back.
func AppendGoingAway(dst []byte, reconnectMS int64) []byte {
	dst = strconv.AppendInt(append(dst, `{"type":"going_away","reconnectMs":`...), reconnectMS, 10)
	return append(dst, '}')
}

// AppendChallenge appends the frame that asks for proof of key possession. epk and nonce are bytes, which it writes
// in base64url without padding; epk is empty for signature keys. exp is in Unix seconds.
func AppendChallenge(dst []byte, alg string, epk, nonce []byte, exp int64) []byte {
	dst = append(append(dst, `{"type":"challenge","alg":"`...), alg...)
	dst = base64.RawURLEncoding.AppendEncode(append(dst, `","epk":"`...), epk)
	dst = base64.RawURLEncoding.AppendEncode(append(dst, `","nonce":"`...), nonce)
	dst = strconv.AppendInt(append(dst, `","exp":`...), exp, 10)
	return append(dst, '}')
}

// appendASCII appends printable ASCII as the content of a JSON string.
func appendASCII(dst, text []byte) []byte {
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}
