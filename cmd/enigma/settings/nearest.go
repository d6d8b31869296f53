package settings

// Nearest returns the word closest to what was written, or "" if none is close enough to have been meant: one slip in
// a short word, a third of the letters in a long one.
func Nearest(written string, words []string) string {
	best, bestDistance := "", max(1, len(written)/3)+1
	for _, word := range words {
		if d := distance(written, word); d < bestDistance {
			best, bestDistance = word, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with a neighbour to get from a to b (optimal string
// alignment): people swap letters as often as they miss one.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
