package load

import (
	"math/bits"
	"time"
)

// A value falls into one of 64 linear cells of its power of two: what is read back is at most 1.6 % too large, over
// the whole range from a nanosecond to centuries, in a fixed 30 KiB.
const (
	cellBits = 6
	cells    = 1 << cellBits
	powers   = 64 - cellBits + 1
)

// Histogram counts durations. The zero value is empty. It belongs to one goroutine.
type Histogram struct {
	counts [powers * cells]uint64
	total  uint64
	sum    float64
	max    time.Duration
}

// cellOf returns the index of the cell that v falls into.
func cellOf(v uint64) int {
	if v < cells {
		return int(v)
	}
	shift := bits.Len64(v) - cellBits - 1
	return shift<<cellBits + int(v>>shift)
}

// highest returns the largest value that falls into a cell.
func highest(cell int) uint64 {
	if cell < 2*cells {
		return uint64(cell)
	}
	shift := cell>>cellBits - 1
	return uint64(cell-shift<<cellBits+1)<<shift - 1
}

// Add counts d; a negative one, which only a clock that is read twice can give, counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[cellOf(uint64(d))]++
	h.total++
	h.sum += float64(d)
	h.max = max(h.max, d)
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Count returns how many durations were counted.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean returns the average, zero for none.
func (h *Histogram) Mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.total))
}

// Quantile returns a duration that the share q of all does not exceed, zero for none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q*float64(h.total) + 0.5)
	rank = min(max(rank, 1), h.total)
	seen := uint64(0)
	for cell, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(time.Duration(highest(cell)), h.max)
		}
	}
	return 0
}
