//go:build !race

package enigmatest

// raceEnabled says that this process has the race detector; the binary then gets it too.
const raceEnabled = false
