package protocol

import (
	"crypto/sha256"
	"encoding/binary"
)

// UserID is the identity of a user: the first 20 bytes of the SHA-256 of its public key. Its text form is 32
// characters of lower-case base32 (RFC 4648 alphabet, no padding), one to one with the bytes.
type UserID [20]byte

// UserIDLen is the length of a user id's text form in bytes.
const UserIDLen = 32

const idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// The text form is cut into groups of eight characters, which are five bytes.
const (
	groupChars = 8
	groupBytes = 5
	noDigit    = 0x80 // in idDigits: not of the alphabet
)

var idDigits = func() (digits [256]byte) {
	for i := range digits {
		digits[i] = noDigit
	}
	for i := range idAlphabet {
		digits[idAlphabet[i]] = byte(i)
	}
	return digits
}()

// NewUserID derives the id of the user with the given public key.
func NewUserID(publicKey []byte) UserID {
	sum := sha256.Sum256(publicKey)
	return UserID(sum[:len(UserID{})])
}

// ParseUserID returns the id with the given text form, and false if the text is not 32 characters of a-z2-7.
func ParseUserID[T ~string | ~[]byte](text T) (id UserID, ok bool) {
	if len(text) != UserIDLen {
		return id, false
	}
	var bad byte
	for g := 0; g < len(id)/groupBytes; g++ {
		var bits uint64
		for i := 0; i < groupChars; i++ {
			digit := idDigits[text[g*groupChars+i]]
			bad |= digit
			bits = bits<<5 | uint64(digit)
		}
		var group [8]byte
		binary.BigEndian.PutUint64(group[:], bits<<24)
		copy(id[g*groupBytes:], group[:groupBytes])
	}
	if bad&noDigit != 0 {
		return UserID{}, false
	}
	return id, true
}

// String returns the text form.
func (id UserID) String() string {
	var text [UserIDLen]byte
	return string(id.AppendTo(text[:0]))
}

// AppendTo appends the text form to dst.
func (id UserID) AppendTo(dst []byte) []byte {
	for g := 0; g < len(id); g += groupBytes {
		bits := uint64(id[g])<<32 | uint64(binary.BigEndian.Uint32(id[g+1:]))
		dst = append(dst, idAlphabet[bits>>35&31], idAlphabet[bits>>30&31], idAlphabet[bits>>25&31], idAlphabet[bits>>20&31],
			idAlphabet[bits>>15&31], idAlphabet[bits>>10&31], idAlphabet[bits>>5&31], idAlphabet[bits&31])
	}
	return dst
}
