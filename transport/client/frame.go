package client

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// frame is any frame a server sends. A plain one has no type.
type frame struct {
	Type string `json:"type"`

	// message; ack has to and id, error has code, error, to and id.
	From        string  `json:"from"`
	To          string  `json:"to"`
	Payload     *string `json:"payload"`
	ID          string  `json:"id"`
	Seq         uint64  `json:"seq"`
	Time        int64   `json:"time"`
	Redelivered bool    `json:"redelivered"`
	Code        string  `json:"code"`
	Error       *string `json:"error"`

	// ready
	UserID string      `json:"userId"`
	Proven bool        `json:"proven"`
	Limits *wireLimits `json:"limits"`

	// challenge
	Alg   string `json:"alg"`
	EPK   string `json:"epk"`
	Nonce string `json:"nonce"`
	Exp   int64  `json:"exp"`

	// going_away
	ReconnectMs float64 `json:"reconnectMs"`
}

type wireLimits struct {
	MaxMessage      int   `json:"maxMessage"`
	MaxUnacked      int   `json:"maxUnacked"`
	MailboxMessages int   `json:"mailboxMessages"`
	MailboxBytes    int64 `json:"mailboxBytes"`
	TTL             int64 `json:"ttl"`
	IdleTimeoutMS   int64 `json:"idleTimeoutMs"`
}

func parseFrame(data []byte) (*frame, error) {
	f := new(frame)
	if err := json.Unmarshal(data, f); err != nil {
		return nil, breach("frame: %s", printable(err.Error()))
	}
	return f, nil
}

// limits returns what a ready announces. A limit of zero, or none at all, is one the server does not state.
func (f *frame) limits() (protocol.Limits, error) {
	if f.Limits == nil {
		return protocol.Limits{}, nil
	}
	l := protocol.Limits(*f.Limits)
	if l.MaxMessage < 0 || l.MaxUnacked < 0 || l.MailboxMessages < 0 || l.MailboxBytes < 0 || l.TTL < 0 || l.IdleTimeoutMS < 0 {
		return l, breach("negative limit")
	}
	return l, nil
}

// message checks and returns the message in a frame of the v1 profile.
func (f *frame) message(self string) (*Message, error) {
	m, err := f.plainMessage(self)
	switch {
	case err != nil:
		return nil, err
	case f.Seq == 0 || f.Seq > protocol.MaxSeq:
		return nil, breach("message with seq %d", f.Seq)
	case f.ID != "" && !validID(f.ID):
		return nil, breach("message with a malformed id")
	}
	m.ID, m.Seq, m.Redelivered = f.ID, f.Seq, f.Redelivered
	if f.Time > 0 {
		m.Time = time.UnixMilli(f.Time)
	}
	return m, nil
}

// plainMessage checks and returns what both profiles have.
func (f *frame) plainMessage(self string) (*Message, error) {
	if _, ok := protocol.ParseUserID(f.From); !ok {
		return nil, breach("message from no user")
	}
	if f.To != self {
		return nil, breach("message to another user")
	}
	if f.Payload == nil {
		return nil, breach("message without payload")
	}
	return &Message{From: f.From, To: f.To, Payload: *f.Payload}, nil
}

// asError returns the error in a frame of either profile.
func (f *frame) asError() *Error {
	e := &Error{Code: printable(f.Code), To: printable(f.To), ID: printable(f.ID)}
	if f.Error != nil {
		e.Text = printable(*f.Error)
	}
	return e
}

// validID reports whether id may name a message: 1 to 64 printable ASCII characters.
func validID(id string) bool {
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= protocol.MaxIDLength
}

// appendSend appends a send frame of the v1 profile. The same message always gives the same bytes: a server may
// compare a repeat's payload as it came.
func appendSend(dst []byte, m *outgoing) []byte {
	dst = appendString(append(dst, `{"type":"send","id":`...), m.id)
	dst = appendString(append(dst, `,"to":`...), m.to)
	dst = appendString(append(dst, `,"payload":`...), m.payload)
	if m.ttl > 0 {
		dst = strconv.AppendInt(append(dst, `,"ttl":`...), m.ttl, 10)
	}
	return append(dst, '}')
}

// appendPlain appends a message of the plain profile.
func appendPlain(dst []byte, from string, m *outgoing) []byte {
	dst = appendString(append(dst, `{"from":`...), from)
	dst = appendString(append(dst, `,"to":`...), m.to)
	dst = appendString(append(dst, `,"payload":`...), m.payload)
	return append(dst, '}')
}

func appendRecv(dst []byte, seq uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"type":"recv","seq":`...), seq, 10), '}')
}

// appendString appends valid UTF-8 as a JSON string.
func appendString(dst []byte, s string) []byte {
	return append(protocol.Escape(append(dst, '"'), s), '"')
}
