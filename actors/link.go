package actors

import "github.com/enigma-protocol/enigma/actors/protocol"

// Profile is the dialect a conn speaks.
type Profile uint8

// The profiles: see the wire contract's sections on the plain profile and on enigma.v1.
const (
	Plain Profile = iota
	V1
)

// Submission is one envelope on its way from a conn to its recipient. Its slices are valid during the call only.
type Submission struct {
	To      protocol.UserID
	Payload []byte // the JSON string's content as it came, without quotes
	Frame   []byte // the whole JSON text if it may be forwarded as it is (exactly the three keys), else nil
	ID      []byte // v1: the sender's id; empty on the plain profile
	TTL     int64  // v1: seconds, 0 for the maximum
	Size    int    // bytes it counts against the conn's credit
}

// Link is a conn's handle on the broker, made by [Broker.Attach]. All its methods are for the goroutine of its shard.
type Link struct{}

// Submit sends an envelope. Its outcome comes back by itself: as credit, and as an error or ack frame to this conn.
func (l *Link) Submit(s *Submission) {}

// Refuse answers a frame that is no valid envelope with an error, in order with the answers to the frames before it.
// to and id are raw JSON string contents, to already cut to what may be echoed; nil where the frame had none.
func (l *Link) Refuse(code protocol.Code, to, id []byte) {}

// Fail is Refuse, and then the conn is closed with the code's close code (1009, 1008, …) or, with code None, just close.
func (l *Link) Fail(code protocol.Code, close protocol.CloseCode) {}

// Alive notes that a frame came in, of whatever kind.
func (l *Link) Alive() {}

// Ping answers the remote's Ping with a Pong.
func (l *Link) Ping(payload []byte) {}

// Pong takes the remote's Pong: it confirms if it answers the fence.
func (l *Link) Pong(payload []byte) {}

// Recv takes a v1 recv frame; false means seq was never sent (INVALID_MESSAGE is answered by it already).
func (l *Link) Recv(seq uint64) {}

// Writable says that the conn takes bytes again after a short Write.
func (l *Link) Writable() {}

// Detach says that the conn is gone. The Link is dead after it: no call may follow, and the conn is not called again.
func (l *Link) Detach() {}
