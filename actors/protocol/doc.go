// Package protocol is the vocabulary of the wire: what a client and the server say to each other, byte for byte. It
// does no I/O, holds no state, and imports nothing but the standard library, so that the server, the client and every
// tool share it.
//
// A [UserID] is derived from a public key, which [CheckKey] admits. A [Code] is an outcome; one table gives its name on
// the wire, its sentence, its HTTP status and the [CloseCode] that goes with it.
//
// # What comes in
//
// [Envelope] reads a frame of the plain profile, [ClientFrame] one of enigma.v1. Both stand on one scanner, which
// passes once over the frame, checks all of it, and allocates nothing for a frame as a well-behaved client writes it.
// It is strict where encoding/json is not: a duplicate name at any level, bytes that are not UTF-8 and deep nesting are
// refused, because a recipient's parser might read such a frame in another way than this one.
//
// A payload is opaque. It is never decoded: what goes to the recipient is the content of the sender's JSON string as it
// came, escapes and lone surrogates included. Therefore "raw" in this package means the bytes between the quotes of a
// JSON string that has passed the scanner; they may be put between quotes again as they are.
//
// # Proof
//
// Some keys can be proved: [ParseProvableKey] reads them. A [Challenge] asks for a [Proof], which authenticates a
// transcript that names the server, the user, its key and the connection ([Transcript]); [Prove] is the client's side of
// it, [Challenge.Verify] the server's.
//
// # What goes out
//
// The Append functions write JSON texts and WebSocket frames at the end of a buffer and allocate nothing but the
// buffer's growth.
package protocol
