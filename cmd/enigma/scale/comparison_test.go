package scale_test

import (
	"math"
	mathrand "math/rand/v2"
	"slices"
	"testing"
)

// comparison is of figures that were taken in pairs, without and with what is judged: at the same time, so that both see
// the same of what else the machine does. It is judged by their medians, so that no single one decides.
type comparison struct {
	pairs         int     // an odd number
	factor        float64 // the median with may be so many times the one without
	floor         float64 // or so much, in any case
	without, with []float64
}

// verdict says whether the figures of all pairs are within the bounds, as soon as those to come cannot change it.
func (c *comparison) verdict() (within, settled bool) {
	least, most := medians(c.with, c.pairs)
	low, high := medians(c.without, c.pairs)
	if most <= max(c.floor, c.factor*low) {
		return true, true
	}
	return false, least > max(c.floor, c.factor*high)
}

// medians returns the least and the most that the median of n figures can be of which some are known.
func medians(known []float64, n int) (least, most float64) {
	known = slices.Sorted(slices.Values(known))
	middle, missing := n/2, n-len(known)
	least, most = 0, math.Inf(1)
	if middle >= missing {
		least = known[middle-missing]
	}
	if middle < len(known) {
		most = known[middle]
	}
	return least, most
}

func TestComparison_IsByMedians(t *testing.T) {
	for _, tt := range []struct {
		without, with []float64
		within        bool
	}{
		{[]float64{10, 10, 10}, []float64{19, 20, 21}, true},
		{[]float64{10, 10, 10}, []float64{19, 21, 21}, false},
		{[]float64{10, 10, 90, 10, 10}, []float64{30, 30, 30, 30, 30}, false}, // a lucky one
		{[]float64{10, 10, 10, 10, 10}, []float64{15, 90, 15, 90, 15}, true},  // two unlucky ones
		{[]float64{1, 1, 1}, []float64{9, 5, 5}, true},
		{[]float64{1, 1, 1}, []float64{9, 6, 5}, false},
	} {
		c := comparison{pairs: len(tt.with), factor: 2, floor: 5, without: tt.without, with: tt.with}
		if within, settled := c.verdict(); within != tt.within || !settled {
			t.Errorf("%v without and %v with: within %t, settled %t", tt.without, tt.with, within, settled)
		}
	}
}

func TestComparison_IsSettledOnlyWhenNothingCanChangeIt(t *testing.T) {
	early := 0
	for range 10_000 {
		whole := comparison{pairs: 3 + 2*mathrand.IntN(2), factor: 2, floor: 5}
		for range whole.pairs {
			whole.without = append(whole.without, 20*mathrand.Float64())
			whole.with = append(whole.with, 40*mathrand.Float64())
		}
		want, settled := whole.verdict()
		if !settled {
			t.Fatalf("%+v is not settled", whole)
		}
		for n := range whole.pairs {
			part := whole
			part.without, part.with = whole.without[:n], whole.with[:n]
			if got, settled := part.verdict(); settled {
				early++
				if got != want {
					t.Fatalf("after %d pairs of %+v: %t, and then %t", n, whole, got, want)
				}
			}
		}
	}
	if early == 0 {
		t.Error("none was settled early")
	}
}
