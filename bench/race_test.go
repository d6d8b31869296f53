//go:build race

package bench_test

// raceEnabled says that memory is not what it is without the race detector.
const raceEnabled = true
