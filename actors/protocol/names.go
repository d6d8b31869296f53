package protocol

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// fewNames is up to how many names are compared in pairs, and noted without an allocation.
const fewNames = 8

// names holds the member names of the objects that are being read, innermost last, to find duplicates: those are
// refused at every level, because two parsers would disagree on what such an object says. Names compare as the strings
// they stand for. Fields of the frame are not here but in a bit set, and cost nothing.
//
// A few names are compared in pairs. Many, which only a hostile frame has, go through a hash table with a secret seed,
// so that a frame full of names costs no more than a small multiple of scanning it.
type names struct {
	count   int
	few     [fewNames]nameRef
	many    []nameRef // all of them, once they were more than fit few
	decoded []byte    // those that were written with escapes, decoded
	table   []uint32
}

// nameRef is where a name stands: in the frame, or in decoded.
type nameRef struct {
	from uint32
	len  uint32 // with inDecoded added for a name in decoded
}

const inDecoded = 1 << 31

var nameSeed = maphash.MakeSeed()

// otherName takes a name, between start and end, that is not one of the fields as they are usually written. It returns
// the field that it turns out to be, or notes it and returns fieldOther.
func (s *scanner) otherName(start, end, depth int) field {
	s.odd = true
	n := &s.names
	if !s.escaped {
		n.note(nameRef{from: uint32(start), len: uint32(end - start)})
		return fieldOther
	}
	at := len(n.decoded)
	n.decoded = Unescape(n.decoded, s.frame[start:end])
	if depth == 1 {
		if f := fieldNamed(n.decoded[at:]); f != fieldOther {
			return f
		}
	}
	n.note(nameRef{from: uint32(at), len: uint32(len(n.decoded)-at) | inDecoded})
	return fieldOther
}

func (n *names) note(ref nameRef) {
	if n.many == nil && n.count < fewNames {
		n.few[n.count] = ref
	} else {
		if n.many == nil {
			n.many = append(make([]nameRef, 0, 8*fewNames), n.few[:]...)
		}
		n.many = append(n.many[:n.count], ref)
	}
	n.count++
}

// text returns a name. A decoded one is never longer than it was in the frame, so that the top bit of its length is
// free.
func (n *names) text(frame []byte, ref nameRef) []byte {
	if ref.len&inDecoded != 0 {
		frame = n.decoded
		ref.len &^= inDecoded
	}
	return frame[ref.from : ref.from+ref.len]
}

// distinct says whether the names noted since there were base of them are all different, and forgets them.
func (n *names) distinct(frame []byte, base int) bool {
	refs := n.few[:]
	if n.many != nil {
		refs = n.many
	}
	refs = refs[base:n.count]
	n.count = base
	if len(refs) > fewNames {
		return n.distinctMany(frame, refs)
	}
	for i := range refs {
		for j := range i {
			if bytes.Equal(n.text(frame, refs[i]), n.text(frame, refs[j])) {
				return false
			}
		}
	}
	return true
}

// distinctMany uses a hash table with open addressing, at most half full. Its cells are indices of refs, plus one; it
// is kept for the next object of the frame.
func (n *names) distinctMany(frame []byte, refs []nameRef) bool {
	size := 1 << bits.Len(uint(2*len(refs)-1))
	if len(n.table) < size {
		n.table = make([]uint32, size)
	}
	table := n.table[:size]
	clear(table)
	for i, ref := range refs {
		text := n.text(frame, ref)
		cell := int(maphash.Bytes(nameSeed, text)) & (size - 1)
		for ; table[cell] != 0; cell = (cell + 1) & (size - 1) {
			if bytes.Equal(n.text(frame, refs[table[cell]-1]), text) {
				return false
			}
		}
		table[cell] = uint32(i + 1)
	}
	return true
}
