//go:build !race

package scale_test

// slowdown is 1: nothing slows these tests down.
const slowdown = 1
