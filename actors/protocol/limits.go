package protocol

import "strconv"

// Names and bounds of the wire contract that are not configurable.
const (
	// Subprotocol is the name a client offers in Sec-WebSocket-Protocol for the profile with proof, acks and resume.
	Subprotocol = "enigma.v1"
	// MaxKeyLength bounds a public key, in bytes.
	MaxKeyLength = 8192
	// MaxSeq is the highest sequence number: the largest integer below which an IEEE double holds them all.
	MaxSeq = 1<<53 - 1
	// MaxIDLength bounds the id that a sender gives an envelope, in characters.
	MaxIDLength = 64
	// MaxEcho bounds what an error repeats of the to it answers, in bytes.
	MaxEcho = 64
	// MaxNesting bounds the depth of a frame's JSON, its own object included.
	MaxNesting = 32
	// MaxProofFrame bounds a frame that a connection sends before it is ready, in bytes.
	MaxProofFrame = 4096
	// RecentIDs is how many of a user's settled ids are remembered against repeats.
	RecentIDs = 1024
)

// Limits are the configurable bounds that a server announces.
type Limits struct {
	MaxMessage      int   // bytes of one message in all
	MaxUnacked      int   // envelopes sent to a v1 client and not confirmed by it
	MailboxMessages int   // stored envelopes per user
	MailboxBytes    int64 // their payload bytes together
	TTL             int64 // longest life of a stored envelope, seconds
	IdleTimeoutMS   int64 // silence before a connection is asked for a sign of life, milliseconds
}

// DefaultLimits returns the bounds of a server that configures none.
func DefaultLimits() Limits {
	return Limits{
		MaxMessage:      128 << 10,
		MaxUnacked:      256,
		MailboxMessages: 1000,
		MailboxBytes:    16 << 20,
		TTL:             30 * 24 * 60 * 60,
		IdleTimeoutMS:   60_000,
	}
}

// AppendTo appends the limits as a JSON object.
func (l Limits) AppendTo(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"maxMessage":`...), int64(l.MaxMessage), 10)
	dst = strconv.AppendInt(append(dst, `,"maxUnacked":`...), int64(l.MaxUnacked), 10)
	dst = strconv.AppendInt(append(dst, `,"mailboxMessages":`...), int64(l.MailboxMessages), 10)
	dst = strconv.AppendInt(append(dst, `,"mailboxBytes":`...), l.MailboxBytes, 10)
	dst = strconv.AppendInt(append(dst, `,"ttl":`...), l.TTL, 10)
	dst = strconv.AppendInt(append(dst, `,"idleTimeoutMs":`...), l.IdleTimeoutMS, 10)
	return append(dst, '}')
}
