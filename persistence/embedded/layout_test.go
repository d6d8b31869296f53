package embedded

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// TestComparer_KeepsTheEnginesRules checks what Pebble demands of Split and ImmediateSuccessor on keys as they occur.
func TestComparer_KeepsTheEnginesRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	prefixes := [][]byte{}
	for range 30 {
		p := append([]byte{mailKind}, bytes.Repeat([]byte{byte(rng.IntN(3) * 0x7f)}, userLen)...)
		for i := prefixLen - rng.IntN(4); i < prefixLen; i++ {
			p[i] = byte(rng.IntN(2) * 0xff)
		}
		prefixes = append(prefixes, p)
	}
	keys := [][]byte{ceilingKey, formatKey}
	for _, p := range prefixes {
		for _, suffix := range [][]byte{nil, make([]byte, 8), {0, 0, 0, 0, 0, 0, 0, 1}, bytes.Repeat([]byte{0xff}, 8)} {
			keys = append(keys, slices.Concat(p, suffix))
		}
	}
	split := func(k []byte) (prefix, suffix []byte) { n := comparer.Split(k); return k[:n], k[n:] }
	for _, a := range keys {
		ap, as := split(a)
		if len(as) > 0 && comparer.Compare(ap, a) >= 0 {
			t.Fatalf("a prefix does not sort before %x", a)
		}
		next := comparer.ImmediateSuccessor([]byte("before"), ap)[len("before"):]
		if n := comparer.Split(next); n != len(next) {
			t.Fatalf("successor %x of %x is no prefix", next, ap)
		}
		for _, b := range keys {
			bp, bs := split(b)
			want := cmp.Or(comparer.Compare(ap, bp), comparer.ComparePointSuffixes(as, bs))
			if got := comparer.Compare(a, b); got != want {
				t.Fatalf("Compare(%x, %x) = %d, by prefix and suffix %d", a, b, got, want)
			}
			if after := comparer.Compare(bp, ap) > 0; after != (comparer.Compare(b, next) >= 0) {
				t.Fatalf("%x is successor of %x, but %x is on the wrong side", next, ap, b)
			}
		}
	}
}

func TestLayout_KeysOfAUserAreTogetherAndInOrder(t *testing.T) {
	a, b := protocol.NewUserID([]byte("a")), protocol.NewUserID([]byte("b"))
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	var last []byte
	for _, user := range []protocol.UserID{a, b} {
		for _, seq := range []uint64{0, 1, 255, 256, 1 << 52, 1<<53 - 1} {
			key := appendMailKey(nil, user, seq)
			if bytes.Compare(last, key) >= 0 {
				t.Fatalf("%x does not come after %x", key, last)
			}
			if got, ok := mailSeq(key); !ok || got != seq {
				t.Fatalf("seq of %x is %d, %v, want %d", key, got, ok, seq)
			}
			last = key
		}
	}
	if d, ok := parseDueKey(appendDueKey(nil, 77, a)); !ok || d != (dueUser{77, a}) {
		t.Fatalf("due key came back as %v, %v", d, ok)
	}
}
