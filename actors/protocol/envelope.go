package protocol

import "errors"

// What a frame that cannot be taken is refused with. Callers compare with ==.
var (
	// ErrInvalid: the frame is valid UTF-8 and not the JSON object it has to be.
	ErrInvalid = errors.New("invalid message")
	// ErrUTF8: the frame is not valid UTF-8, whatever else may be wrong with it.
	ErrUTF8 = errors.New("invalid UTF-8")
)

// Envelope is a frame of the plain profile. Its slices are raw contents of JSON strings, escapes untouched, and point
// into the frame.
type Envelope struct {
	From, To, Payload []byte
	HasFrom           bool // there was a from
	Exact             bool // the frame has the three keys, plainly written, and nothing else: it may be forwarded as it is
}

// Parse reads a frame.
func (e *Envelope) Parse(frame []byte) error {
	*e = Envelope{}
	return ErrInvalid
}
