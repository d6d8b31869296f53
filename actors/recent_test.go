package actors

import (
	"slices"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// keptOf returns what recents keep of envelopes with these seqs, which come in this order.
func keptOf(seqs ...uint64) *recents {
	r := &recents{byID: map[idKey]*remembered{}}
	for _, seq := range seqs {
		m := &remembered{idKey: idKey{protocol.UserID{}, string(rune('a' + seq))}, seq: seq}
		r.add(m)
		r.keep(m)
	}
	return r
}

func seqsOf(list []*remembered) (seqs []uint64) {
	for _, m := range list {
		seqs = append(seqs, m.seq)
	}
	return seqs
}

func TestRecents_SettlesInTheOrderOfSeqs(t *testing.T) {
	r := keptOf(5, 7, 1, 3, 9)
	r.keep(r.stored[0]) // again
	if got, want := seqsOf(r.stored), []uint64{1, 3, 5, 7, 9}; !slices.Equal(got, want) {
		t.Fatalf("kept %d, want %d", got, want)
	}
	r.renumber(r.stored[3], 2) // 7, which is delivered as another copy
	if got, want := seqsOf(r.stored), []uint64{1, 2, 3, 5, 9}; !slices.Equal(got, want) {
		t.Fatalf("kept %d, want %d", got, want)
	}
	var gone []*remembered
	settle := func(seq uint64) { r.settleKept(seq, func(m *remembered) { gone = append(gone, m) }) }
	settle(3)
	if got, want := seqsOf(gone), []uint64{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("settled %d, want %d", got, want)
	}
	settle(3)
	settle(9)
	if got, want := seqsOf(gone), []uint64{1, 2, 3, 5, 9}; !slices.Equal(got, want) {
		t.Errorf("settled %d, want %d", got, want)
	}
	if len(r.byID)+len(r.stored) > 0 {
		t.Errorf("%d and %d are left", len(r.byID), len(r.stored))
	}
}

// Whoever has much stored may confirm as often as the rate allows: what is not settled is not looked at.
func TestRecents_ConfirmCostsWhatItSettles(t *testing.T) {
	r := keptOf(1, 2, 3)
	r.stored = append(r.stored, nil, nil) // not to be touched
	r.settleKept(0, func(*remembered) { t.Error("something was settled") })
	r.settleKept(2, func(*remembered) {})
	if len(r.stored) != 3 || r.stored[0].seq != 3 {
		t.Errorf("%d are left", len(r.stored))
	}
}
