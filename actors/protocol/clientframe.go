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

// MaxTTL bounds the ttl of an envelope, in seconds. It is what a double holds exactly, so that a client in any
// language says what it means; how long mail is kept at most is Limits.TTL.
const MaxTTL = 1 << 53

// ClientFrame is a frame of the v1 profile, sent by a client. To and Payload are the raw contents of JSON strings,
// escapes untouched; ID, Tag and Sig are decoded. All point into the frame, but for those of the latter that were
// written with escapes.
type ClientFrame struct {
	Type    FrameType
	ID      []byte // send: 1 to MaxIDLength printable ASCII characters
	To      []byte // send
	Payload []byte // send
	TTL     int64  // send: seconds, 1 to MaxTTL
	HasTTL  bool   // send: there was a ttl
	Seq     uint64 // recv
	Tag     []byte // proof: base64url as it came, nil if absent
	Sig     []byte // proof: base64url as it came, nil if absent
}

// Parse reads a frame and returns nil, ErrInvalid or ErrUTF8. An unknown type is ErrInvalid. With ErrInvalid, ID and
// To are still what the frame said as far as it could be read and is in order, for the error to repeat.
//
// Frames are as strict as those of the plain profile (see [Envelope.Parse]), and members that do not belong to the
// frame's type are ignored. ttl and seq may be any spelling of a whole number: 60, 60.0, 6e1.
func (f *ClientFrame) Parse(frame []byte) error {
	*f = ClientFrame{}
	s := scanner{frame: frame}
	err := s.scan()
	if err == ErrUTF8 {
		return err
	}
	f.ID, f.To = frameID(s.text(fieldID)), s.raw(fieldTo)
	if !f.read(&s) {
		return ErrInvalid
	}
	return err
}

// read takes the members of the frame's type and says whether they are in order.
func (f *ClientFrame) read(s *scanner) bool {
	switch string(s.text(fieldType)) {
	case "send":
		f.Type = FrameSend
		f.Payload = s.raw(fieldPayload)
		return f.ID != nil && f.To != nil && f.Payload != nil && f.readTTL(s)
	case "recv":
		f.Type = FrameRecv
		var ok bool
		f.Seq, ok = s.whole(fieldSeq)
		return ok
	case "proof":
		f.Type = FrameProof
		f.Tag, f.Sig = s.text(fieldTag), s.text(fieldSig)
		return (f.Tag != nil || !s.has(fieldTag)) && (f.Sig != nil || !s.has(fieldSig))
	}
	return false
}

func (f *ClientFrame) readTTL(s *scanner) bool {
	if !s.has(fieldTTL) {
		return true
	}
	ttl, ok := s.whole(fieldTTL)
	if !ok || ttl < 1 || ttl > MaxTTL {
		return false
	}
	f.TTL, f.HasTTL = int64(ttl), true
	return true
}

// frameID returns id if it is one, else nil.
func frameID(id []byte) []byte {
	if len(id) < 1 || len(id) > MaxIDLength {
		return nil
	}
	for _, c := range id {
		if c < ' ' || c > '~' {
			return nil
		}
	}
	return id
}
