// Package scale holds the tests that have many misbehave at once around the real program: clients that send a byte now
// and then, or never read, floods of connections, everybody coming back at the same time, no files left, and people who
// come and go for hours. It has nothing but tests.
//
// # How they judge
//
// What happens to messages is judged by the ledger of package faults, which hears of every one that is sent, answered
// and received, and by that of the load generator, whose payloads name sender, recipient and number. What it cost is read
// from outside: the files and the memory of the process, its metrics, its log. How fast it answers is compared to how fast
// another one does beside it at the same time, by the medians of several figures, for a busy machine spoils some. When
// something has to happen is told by what the server is set to.
//
// # How long they take
//
// The short form is part of the usual tests. With ENIGMA_SOAK=1 in the environment there are as many connections as one
// process may have, and a million visits.
package scale
