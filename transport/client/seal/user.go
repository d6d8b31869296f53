package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Errors of keys.
var (
	// ErrKeyMismatch: the public key does not belong to the id. Who returned it lies or is broken: nothing may be
	// encrypted with it.
	ErrKeyMismatch = errors.New("the public key does not belong to the id")
	// ErrKeyKind: the key is not X25519, or not written as this format demands. Its user reads mail with other programs.
	ErrKeyKind = errors.New("not an X25519 key in the form this format demands")
)

// keyPrefix begins the string of a public key.
const keyPrefix = protocol.AlgX25519 + ":"

// strict is the base64 of everything here: no padding, trailing bits zero. It passes over CR and LF; see decode.
var strict = base64.RawURLEncoding.Strict()

// decode is strict in that too.
func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return strict.DecodeString(text)
}

// User is somebody to write to or to hear from: an id and the public key that belongs to it. It does not change, and is
// safe for concurrent use.
type User struct {
	id, publicKey string
	key           *ecdh.PublicKey
}

// NewUser makes a User of an id, and the public key that a server or somebody else says it has. A key that does not hash
// to the id is [ErrKeyMismatch]; one that cannot be encrypted to, with points of small order among them, [ErrKeyKind].
func NewUser(id, publicKey string) (*User, error) {
	if protocol.NewUserID([]byte(publicKey)).String() != id {
		return nil, fmt.Errorf("seal: %w", ErrKeyMismatch)
	}
	return ParseUser(publicKey)
}

// ParseUser makes a User of a public key that comes from its owner, whose id it is then.
func ParseUser(publicKey string) (*User, error) {
	text, ours := strings.CutPrefix(publicKey, keyPrefix)
	raw, err := decode(text)
	if _, provable := protocol.ParseProvableKey([]byte(publicKey)); !ours || err != nil || !provable {
		return nil, fmt.Errorf("seal: %w", ErrKeyKind)
	}
	key, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", ErrKeyKind)
	}
	return &User{protocol.NewUserID([]byte(publicKey)).String(), publicKey, key}, nil
}

// ID returns the user's id.
func (u *User) ID() string { return u.id }

// PublicKey returns the public key as the user logs in with it.
func (u *User) PublicKey() string { return u.publicKey }

// Self is a User whose private key is at hand. It does not change, and is safe for concurrent use.
type Self struct {
	*User
	private *ecdh.PrivateKey
}

// NewSelf makes a Self of a private key, an *ecdh.PrivateKey of X25519; other keys are [ErrKeyKind].
func NewSelf(private crypto.PrivateKey) (*Self, error) {
	key, ok := private.(*ecdh.PrivateKey)
	if !ok || key.Curve() != ecdh.X25519() {
		return nil, fmt.Errorf("seal: %w", ErrKeyKind)
	}
	user, err := ParseUser(keyPrefix + strict.EncodeToString(key.PublicKey().Bytes()))
	if err != nil {
		return nil, err
	}
	return &Self{user, key}, nil
}

const (
	safetyGroups = 12
	safetyBytes  = 5 // of the digest, for one group of five digits
)

// SafetyNumber returns what two users see alike if each has the other's true id and key, and compare where nobody can
// change it, face to face or by telephone: 12 groups of 5 digits. The order of the two does not matter.
func SafetyNumber(a, b *User) []string {
	if a.id > b.id {
		a, b = b, a
	}
	digest := sha512.Sum512(prefixed("enigma-safety-number", a.id, a.publicKey, b.id, b.publicKey))
	groups := make([]string, safetyGroups)
	for i := range groups {
		var number [8]byte
		copy(number[8-safetyBytes:], digest[i*safetyBytes:])
		groups[i] = fmt.Sprintf("%05d", binary.BigEndian.Uint64(number[:])%100_000)
	}
	return groups
}

// prefixed returns its arguments, each of them behind its length in 16 bits.
func prefixed(parts ...string) []byte {
	var out bytes.Buffer
	for _, part := range parts {
		out.Write(binary.BigEndian.AppendUint16(nil, uint16(len(part)))) // ids and X25519 keys are far shorter
		out.WriteString(part)
	}
	return out.Bytes()
}
