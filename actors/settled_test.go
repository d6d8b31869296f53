package actors

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is settled in whatever order, with hashes that collide in the table and identities that come again, the last
// maxSettledIDs are found with the digest they were settled with last, and nothing else is.
func TestSettledIDs_KnowsTheLastOnesAndNoOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type settled struct{ hash, digest uint64 }
		var (
			ids  settledIDs
			last []settled
		)
		kinds := rapid.SampledFrom([]uint64{40, 1500, 1 << 20}).Draw(t, "identities")
		stride := rapid.SampledFrom([]uint64{1, 256, 4096}).Draw(t, "stride") // with 4096 all begin at one place
		for i := range rapid.IntRange(0, 3*maxSettledIDs).Draw(t, "n") {
			s := settled{rapid.Uint64Range(0, kinds).Draw(t, "hash") * stride, uint64(i)}
			ids.add(s.hash, s.digest)
			last = append(last, s)
		}
		known := map[uint64]uint64{}
		for _, s := range last[max(0, len(last)-maxSettledIDs):] {
			known[s.hash] = s.digest
		}
		for _, s := range last {
			digest, ok := ids.find(s.hash)
			if want, expected := known[s.hash]; ok != expected || digest != want {
				t.Fatalf("of %d settled, %x is found: %t with %d, want %t with %d", len(last), s.hash, ok, digest, expected, want)
			}
		}
		if _, ok := ids.find(kinds*stride + 1<<40); ok {
			t.Fatal("an identity was found that was never settled")
		}
	})
}
