// Package top is `enigma top`: what a running server does, in a terminal, second by second.
//
//	admin listener ── /metrics.json ──► source ── reading ──► model ──► View
//	                                      ▲                     │
//	                                      └──── after a pause ──┘
//
// A reading counts from the server's start; a row of the table is what lies between two readings. The last rows are
// kept for the curves beside them and end with the program. A server that does not answer is asked again, at the same
// pace, and the screen says so.
package top
