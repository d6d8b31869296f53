package embedded

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// The first byte of every key says what it is. The package comment draws the whole layout.
const (
	ceilingKind = 'c'
	dueKind     = 'e'
	idKind      = 'i'
	keyKind     = 'k'
	mailKind    = 'm'
	formatKind  = 'v'
)

const (
	userLen   = len(protocol.UserID{})
	prefixLen = 1 + userLen // what the bloom filters hold of a key
	mailLen   = prefixLen + 8
	dueLen    = 1 + 8 + userLen
)

var (
	ceilingKey = []byte{ceilingKind}
	formatKey  = []byte{formatKind}
)

// appendUserKey appends the key of a kind that has one entry per user.
func appendUserKey(dst []byte, kind byte, user protocol.UserID) []byte {
	return append(append(dst, kind), user[:]...)
}

// appendStateKey appends the key of the state of a user's mailbox. It stands right before the user's mail.
func appendStateKey(dst []byte, user protocol.UserID) []byte {
	return appendUserKey(dst, mailKind, user)
}

// appendMailKey appends the key of a user's envelope. A user's keys are ordered by seq.
func appendMailKey(dst []byte, user protocol.UserID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(appendUserKey(dst, mailKind, user), seq)
}

// mailSeq returns the seq in the key of an envelope.
func mailSeq(key []byte) (uint64, bool) {
	if len(key) != mailLen || key[0] != mailKind {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[prefixLen:]), true
}

// identity is what an envelope with an id is known by: the hash of recipient, sender and id. It is as long as a user id,
// so that the bloom filters hold the whole of it. (Fixed lengths come before the only part that varies, so no two
// triples hash the same bytes.) The zero identity is that of an envelope without an id.
type identity [userLen]byte

// appendIdentified appends what an identity is the hash of.
func appendIdentified[S []byte | string](dst []byte, to, from protocol.UserID, id S) []byte {
	return append(append(append(dst, to[:]...), from[:]...), id...)
}

func newIdentity(identified []byte) identity {
	sum := sha256.Sum256(identified)
	return identity(sum[:userLen])
}

// appendIDKey appends the key under which the seq of an envelope with an id stands.
func appendIDKey(dst []byte, id identity) []byte { return append(append(dst, idKind), id[:]...) }

// appendDueKey appends the key that makes Expire look at a user at a time in ms, which is above 0.
func appendDueKey(dst []byte, due uint64, user protocol.UserID) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, dueKind), due)
	return append(dst, user[:]...)
}

// parseDueKey is the inverse of appendDueKey.
func parseDueKey(key []byte) (d dueUser, ok bool) {
	if len(key) != dueLen || key[0] != dueKind {
		return d, false
	}
	d.at = binary.BigEndian.Uint64(key[1:])
	copy(d.user[:], key[1+8:])
	return d, true
}

// comparer orders keys by their bytes, as Pebble does by default, and says that kind and user are what the bloom
// filters are to hold: so a look at a user who has nothing stored costs no read of any table, whatever seq is asked for.
// Its name is part of the format.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "enigma.user"
	c.Split = func(key []byte) int { return min(len(key), prefixLen) }
	c.ImmediateSuccessor = successor
	return &c
}()

// successor appends the smallest prefix larger than the given one. Shorter ones than prefixLen are whole keys.
func successor(dst, prefix []byte) []byte {
	n := len(dst)
	dst = append(dst, prefix...)
	if len(prefix) < prefixLen {
		return append(dst, 0)
	}
	for i := len(dst) - 1; i >= n; i-- { // no kind is 0xff, so the carry ends
		if dst[i]++; dst[i] != 0 {
			break
		}
	}
	return dst
}
