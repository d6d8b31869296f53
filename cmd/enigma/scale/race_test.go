//go:build race

package scale_test

// slowdown is by how much less is done in the short form when everything runs under the race detector, which takes
// several times the processor and the memory, and bears no more than 8,128 goroutines.
const slowdown = 4
