// Package client connects a Go program to an Enigma server as one user: it sends messages that are safe when Send
// returns, and receives messages that stay with the server until they are confirmed, over connections that come and go.
//
//	key, err := client.LoadOrGenerateKey("alice.pem") // keep the file: without it the id is lost
//	c, err := client.DialKey(ctx, "https://chat.example", key.PublicKey(), client.WithKey(key))
//	defer c.Close(ctx)
//	err = c.Send(ctx, to, ciphertext) // safe
//	m, err := c.Receive(ctx)
//	…                                 // process it
//	m.Confirm()                       // not delivered again
//
// The user proves to the server that it holds the private key; from the first time on, a server with the default policy
// lets nobody else connect as that user. With [WithKey] the client also demands that the server asks. The proof is bound
// to the host in the URL, so that a server that is not the one meant cannot pass it on to the one that is.
//
// A user whose key cannot be proved, or has not been yet, connects by its id, as everybody else can who knows that:
//
//	id, err := client.Login(ctx, "https://chat.example", publicKey) // once per user and server; again does no harm
//	c, err := client.Dial(ctx, "https://chat.example", id)
//
// The payload is the caller's: encrypt it, with package seal for instance, whose format the web page and the terminal
// commands read too. A server, and who has its disk, sees what is sent.
//
// # States
//
// A [Client] is connected when [Dial] returns. It then is in one of these states:
//
//	connected  → waiting       the connection broke, the server closed it, or did not respond
//	waiting    → connecting    after a delay: jittered exponential backoff, or what the server asked for
//	connecting → connected     what was confirmed is told first, then unanswered messages are written again
//	connecting → waiting       it did not work
//	any        → ended         Close, or the server said not to come back: REPLACED, USER_NOT_FOUND, PROOF_REQUIRED
//
// Only the last is visible: [Client.Done] and [Client.Err]. Meanwhile Send and Receive wait, as long as their contexts
// let them.
//
// # Goroutines
//
// [Dial] connects on the caller's goroutine and then starts one that lives until the Client ends (run.go). It connects
// anew and is the reading half of each connection (serve.go); for each connection it starts a second one, the writing
// half (write.go), which alone writes and alone judges by silence whether the server lives. Both have ended when
// [Client.Close] returns, or Done is closed. No other goroutine outlives a call.
//
// All state that callers share with them is in two plain structs under Client.mu, the outbox and the inbox, which is
// never held while something waits. The reader does not wait for callers: it answers Pings and takes acks however slow
// Receive is called. (On the plain profile it does wait for them, for want of another way to hold a server back.)
//
// # Guarantees, with enigma.v1
//
// Send returns nil only if the message is stored durably by the server or confirmed by its recipient. A message without
// an answer when the connection breaks is written again with the same id, which a server takes for a repeat. If Send
// returns [ErrUnknownOutcome] the caller may do the same with [WithID]. What the server refuses, for a full mailbox,
// its rate limit or an unavailable store, is returned and not tried again: only the caller knows how long the message
// is worth sending.
//
// Messages handed over one after the other, by [Client.Send] or [Client.Post], are written in that order, after a
// reconnect too, and the server keeps the order towards each recipient. One that is refused is missing from it.
//
// Receive returns every message that the server has for the user, in the server's order, once. The server deletes a
// message only after it and all before it were confirmed. It will deliver messages again, after a reconnect and under
// new numbers after a crash; those are recognised by number, and by sender, id and payload for the last 2,048 messages
// that have an id.
//
// # Their limits
//
//   - Once per Client, not for ever: what a process has received and not confirmed when it ends is delivered to the next.
//     Persist [Message.Seq] with the effect, or [Client.Confirmed], and pass it to [WithLastSeq], to close most of that gap.
//   - A message from a plain sender has no id. If the server crashes between delivering and storing it, it may be lost;
//     it is then the sender's affair.
//   - One connection per user: two Clients of one user replace each other, and the one replaced ends.
//   - At most 256 messages are delivered ahead of the confirms. A receiver that waits for more of them before it confirms
//     any waits for ever.
//   - A server that lives and never answers a Send is waited for until the context ends: its store may be down.
//   - A server is trusted to deliver, not to be honest in what it says about itself: it can lose mail, reorder it and
//     invent senders. [PublicKey] and [Login] check what can be checked, that key and id belong together; end-to-end
//     encryption has to do the rest. What it sends is bounded in size and number and checked before it is used.
//
// # The plain profile
//
// A server that does not know enigma.v1 is spoken to in the plain profile, unless [RequireV1] forbids it; [Client.V1]
// tells. Then Send returns nil once the message is written: there is no answer, it may be lost with the connection, and
// errors come out of [Client.Errors], without saying which message caused them. Receive returns messages without number,
// time and id. The server takes them for received as soon as they have reached this process, so Confirm does nothing, few
// are fetched ahead, and those not yet returned by Receive are lost with the process.
package client
