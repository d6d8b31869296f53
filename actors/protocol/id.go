package protocol

import (
	"crypto/sha256"
	"encoding/base32"
)

// UserID is the identity of a user: the first 20 bytes of the SHA-256 of its public key. Its text form is 32
// characters of lower-case base32 (RFC 4648 alphabet, no padding), one to one with the bytes.
type UserID [20]byte

// UserIDLen is the length of a user id's text form in bytes.
const UserIDLen = 32

const idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

var idEncoding = base32.NewEncoding(idAlphabet).WithPadding(base32.NoPadding)

// NewUserID derives the id of the user with the given public key.
func NewUserID(publicKey []byte) UserID {
	sum := sha256.Sum256(publicKey)
	return UserID(sum[:len(UserID{})])
}

// String returns the text form.
func (id UserID) String() string { return string(id.AppendTo(nil)) }

// AppendTo appends the text form to dst.
func (id UserID) AppendTo(dst []byte) []byte { return idEncoding.AppendEncode(dst, id[:]) }
