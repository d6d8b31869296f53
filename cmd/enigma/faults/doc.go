// Package faults holds the tests that break things around the real program and look whether its promises stand: the
// server is killed, its store is killed, stopped, filled up or made to fail, and clients die, lie and stop to read. It
// has nothing but tests.
//
// # How they judge
//
// Users of the tests' own (package wire speaks WebSocket for them, written from RFC 6455 alone) send numbered messages
// to one another. A ledger (package ledger) hears of every message that a sender writes, of every answer it gets, and
// of every message that reaches somebody, and says in the end whether
//
//   - an acknowledged message was lost,
//   - messages of one sender to one recipient came in another order than they were sent, by their first occurrences,
//   - a duplicate had another payload,
//   - something came to the wrong user, or was sent by nobody.
//
// That the ledger would notice is shown by tests as well: the same load and the same judge, with a store that forgets,
// or a proxy in between that drops, swaps, rewrites and misdirects.
//
// # How long they take
//
// The short form is part of the usual tests. With ENIGMA_SOAK=1 in the environment they take hours: a hundred kills,
// long pauses, a million messages.
package faults
