//go:build !race

package faults_test

// slowdown is by how much less is sent in the short form.
const slowdown = 1
