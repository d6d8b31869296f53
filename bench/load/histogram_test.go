package load_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
)

func TestHistogram_QuantilesAreWithinTwoPercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var whole, left, right load.Histogram
	var values []time.Duration
	for i := range 100_000 {
		v := time.Duration(math.Exp(rng.Float64() * 30)) // 1 ns to 3 hours, every magnitude alike
		values = append(values, v)
		whole.Add(v)
		if i%2 == 0 {
			left.Add(v)
		} else {
			right.Add(v)
		}
	}
	left.Merge(&right)
	slices.Sort(values)
	for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[min(len(values)-1, max(0, int(q*float64(len(values))+0.5)-1))]
		got := whole.Quantile(q)
		if got < want || float64(got) > float64(want)*1.02+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
		if merged := left.Quantile(q); merged != got {
			t.Errorf("quantile %v of the merged halves is %v, of the whole %v", q, merged, got)
		}
	}
	if whole.Max() != values[len(values)-1] || whole.Count() != uint64(len(values)) || left.Mean() != whole.Mean() {
		t.Errorf("max %v, count %d, mean %v and %v", whole.Max(), whole.Count(), whole.Mean(), left.Mean())
	}
}

func TestHistogram_TakesTheEndsOfTheRange(t *testing.T) {
	var h load.Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 {
		t.Error("an empty histogram has values")
	}
	h.Add(-time.Second)
	h.Add(0)
	h.Add(math.MaxInt64)
	if h.Quantile(0.5) != 0 || h.Quantile(1) != math.MaxInt64 || h.Count() != 3 {
		t.Errorf("median %v, longest %v, count %d", h.Quantile(0.5), h.Quantile(1), h.Count())
	}
}
