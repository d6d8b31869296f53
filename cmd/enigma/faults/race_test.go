//go:build race

package faults_test

// slowdown is by how much less is sent in the short form when everything runs under the race detector, which takes
// several times the processor and the memory.
const slowdown = 8
