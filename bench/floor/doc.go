// Command floor is the least that a relay can do: it takes WebSockets, unmasks a message, finds the recipient by
// looking for the text "to", and writes the message on, one write per recipient and turn of its one loop. It has no
// actors, no confirmation, no store and no checks; mail for who is not there is dropped. What it costs is nearly all
// system calls, so that the distance of a real server from it is what the server adds.
//
// It answers the requests that the load generator makes, and logs in whoever asks:
//
//	floor [--listen 127.0.0.1:0]
//
// The first line it prints is the address in use, `listening on http://ADDR`.
package main
