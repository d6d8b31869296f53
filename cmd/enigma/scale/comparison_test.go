package scale_test

import (
	"slices"
	"testing"
)

// comparison is of figures that were taken in turn without and with what is judged. What else the machine does can only
// make them larger, so it is the least of each that are compared: a bad moment condemns nothing, and excuses nothing.
type comparison struct {
	factor        float64 // the least with may be so many times the least without
	floor         float64 // or so much, in any case
	without, with []float64
}

// harmless says whether the figures are within the bounds.
func (c *comparison) harmless() bool {
	return slices.Min(c.with) <= max(c.floor, c.factor*slices.Min(c.without))
}

// settled says that no more figures can make it anything but harmless.
func (c *comparison) settled() bool { return len(c.with) > 0 && slices.Min(c.with) <= c.floor }

func TestComparison_IsOfTheLeast(t *testing.T) {
	for _, tt := range []struct {
		without, with     []float64
		harmless, settled bool
	}{
		{[]float64{10, 90, 12}, []float64{19, 90, 90}, true, false},
		{[]float64{10, 90, 90}, []float64{21, 22, 23}, false, false}, // bad moments of the others excuse nothing
		{[]float64{1, 1, 1}, []float64{90, 5, 90}, true, true},
		{[]float64{1, 1, 1}, []float64{9, 6, 7}, false, false},
	} {
		c := comparison{factor: 2, floor: 5, without: tt.without, with: tt.with}
		if c.harmless() != tt.harmless || c.settled() != tt.settled {
			t.Errorf("%v without and %v with: harmless %t, settled %t", tt.without, tt.with, c.harmless(), c.settled())
		}
	}
}
