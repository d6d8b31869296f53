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

func digitOf(char byte) uint64 { return uint64(idDigits[char]) }

// NewUserID derives the id of the user with the given public key.
func NewUserID(publicKey []byte) UserID {
	sum := sha256.Sum256(publicKey)
	return UserID(sum[:len(UserID{})])
}

// ParseUserID returns the id with the given text form, and false if the text is not 32 characters of a-z2-7.
func ParseUserID[T ~string | ~[]byte](text T) (id UserID, ok bool) {
	ok = readUserID(&id, text)
	return id, ok
}

// Read makes id what text stands for, in place, and reports whether it is an id; if not, id becomes the zero one. It is
// [ParseUserID] for where every message passes, and a value would be copied more than once.
func (id *UserID) Read(text []byte) bool { return readUserID(id, text) }

func readUserID[T ~string | ~[]byte](id *UserID, text T) bool {
	if len(text) != UserIDLen {
		*id = UserID{}
		return false
	}
	bad := uint64(0)
	for g := 0; g < UserIDLen/groupChars; g++ {
		chars := text[g*groupChars:][:groupChars]
		a, b, c, d := digitOf(chars[0]), digitOf(chars[1]), digitOf(chars[2]), digitOf(chars[3])
		e, f, h, i := digitOf(chars[4]), digitOf(chars[5]), digitOf(chars[6]), digitOf(chars[7])
		bad |= a | b | c | d | e | f | h | i
		bits := a<<35 | b<<30 | c<<25 | d<<20 | e<<15 | f<<10 | h<<5 | i
		id[g*groupBytes] = byte(bits >> 32)
		binary.BigEndian.PutUint32(id[g*groupBytes+1:], uint32(bits))
	}
	if bad&noDigit != 0 {
		*id = UserID{}
		return false
	}
	return true
}

// ParseRawUserID returns the id that raw, the content of a JSON string, stands for, and false if it is none. A client
// may write any character as an escape, and means the same user.
func ParseRawUserID(raw []byte) (id UserID, ok bool) {
	ok = id.ReadRaw(raw)
	return id, ok
}

// ReadRaw is [ParseRawUserID] in place, as Read is ParseUserID.
func (id *UserID) ReadRaw(raw []byte) bool {
	const longest = UserIDLen * unitLen
	if id.Read(raw) {
		return true
	}
	if len(raw) <= UserIDLen || len(raw) > longest {
		return false
	}
	var text [longest]byte
	return id.Read(Unescape(text[:0], raw))
}

// String returns the text form.
func (id UserID) String() string {
	var text [UserIDLen]byte
	return string(id.AppendTo(text[:0]))
}

// AppendTo appends the text form to dst.
func (id UserID) AppendTo(dst []byte) []byte {
	for g := range UserIDLen / groupChars {
		bits := uint64(id[g*groupBytes])<<32 | uint64(binary.BigEndian.Uint32(id[g*groupBytes+1:]))
		dst = append(dst,
			idAlphabet[bits>>35&31], idAlphabet[bits>>30&31], idAlphabet[bits>>25&31], idAlphabet[bits>>20&31],
			idAlphabet[bits>>15&31], idAlphabet[bits>>10&31], idAlphabet[bits>>5&31], idAlphabet[bits&31])
	}
	return dst
}
