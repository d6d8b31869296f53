package protocol

// FrameType is the type of a frame that a v1 client sends.
type FrameType uint8

// The types of frames that a v1 client sends.
const (
	FrameUnknown FrameType = iota
	FrameSend
	FrameRecv
	FrameProof
)

// ClientFrame is a frame of the v1 profile, sent by a client. ID, Tag and Sig are decoded; To and Payload are raw
// contents of JSON strings, escapes untouched.
type ClientFrame struct {
	Type            FrameType
	ID, To, Payload []byte
	TTL             int64 // seconds, above 0; 0 if absent
	HasTTL          bool
	Seq             uint64
	Tag, Sig        []byte // nil if absent
}

// Parse reads a frame. It returns ErrInvalid for unknown types too, and fills ID and To as far as it could read them
// so that an error can repeat them.
func (f *ClientFrame) Parse(frame []byte) error {
	*f = ClientFrame{}
	return ErrInvalid
}

// EchoTo cuts the raw content of a JSON string to what an error repeats of it.
func EchoTo(to []byte) []byte { return to[:min(len(to), MaxEcho)] }

// Unescape appends the string that the raw content of a JSON string stands for.
func Unescape(dst, raw []byte) []byte { return append(dst, raw...) }
