// Package mail is what the commands that stand in for a user share: send, listen and chat. An [Agent] holds the user's
// connection, seals and opens in the hpke1 format, looks correspondents' keys up and checks them, recognises texts that
// came twice, and sends receipts. [Send] and [Listen] are the two commands for scripts.
//
//	key file → Agent ⇄ transport/client ⇄ server
//	             ├ users    key of each id, checked against it, looked up once
//	             ├ seen     ids of texts that have come, so that a replay is not shown
//	             └ receipts ids of texts to acknowledge, sent together by one goroutine
//
// A text is confirmed to the server, and a receipt for it sent, only after its receiver has done with it: written the line
// to standard output, or shown it. What was not confirmed comes again, to whatever connects next as the user.
//
// Nothing that others write reaches a terminal as it came: see [Clean] and [AppendJSON].
package mail
