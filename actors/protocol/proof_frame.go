package protocol

import "encoding/base64"

// Append appends the frame that asks for the proof.
func (c *Challenge) Append(dst []byte) []byte {
	return AppendChallenge(dst, c.Alg, c.EPK, c.Nonce, c.Exp)
}

// AppendProof appends the frame that answers a challenge.
func AppendProof(dst []byte, p Proof) []byte {
	dst = append(dst, `{"type":"proof`...)
	if p.Tag != nil {
		dst = base64.RawURLEncoding.AppendEncode(append(dst, `","tag":"`...), p.Tag)
	}
	if p.Sig != nil {
		dst = base64.RawURLEncoding.AppendEncode(append(dst, `","sig":"`...), p.Sig)
	}
	return append(dst, `"}`...)
}

// Proof returns the proof that a frame of type FrameProof holds, and false for one that is malformed: tag or sig is not
// base64url without padding, or there are both.
func (f *ClientFrame) Proof() (Proof, bool) {
	if f.Tag != nil && f.Sig != nil {
		return Proof{}, false
	}
	tag, ok := decodeProof(f.Tag)
	if !ok {
		return Proof{}, false
	}
	sig, ok := decodeProof(f.Sig)
	return Proof{Tag: tag, Sig: sig}, ok
}

// decodeProof decodes strict base64url without padding. What is present and empty stays present.
func decodeProof(text []byte) ([]byte, bool) {
	if len(text) == 0 {
		return text, true
	}
	if text[len(text)-1] == '=' {
		return nil, false
	}
	return decode64(base64.RawURLEncoding, text)
}
