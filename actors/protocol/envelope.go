package protocol

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
