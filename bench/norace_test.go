//go:build !race

package bench_test

// raceEnabled says that memory is what it is.
const raceEnabled = false
