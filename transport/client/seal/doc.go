// Package seal encrypts from end to end what users write to each other, in the format "hpke1" that the web page, the
// terminal commands and Go programs share. It does no I/O and holds no state but keys.
//
//	me, err := seal.NewSelf(key.Private())         // a client.Key of X25519
//	bob, err := seal.NewUser(bobID, bobPublicKey)  // the key the server returned: checked against the id
//	text := seal.NewText("hello")
//	payload, err := me.Seal(bob, text)             // goes through client.Send with the id text.ID
//	content, err := me.Open(bob, payload)          // what Bob sent
//
// # What it gives, and what not
//
// Only the recipient can read a sealed payload, and it knows that the sender whose key it has wrote it, to it: both ids
// are bound into the encryption, so that the server can neither change mail nor show it as from or to somebody else. The
// length is hidden but for its multiple of 64 bytes. It gives no forward secrecy: who gets the recipient's private key
// can read all mail ever sent to it. Who has that key can also forge mail to the recipient, from anybody, and for the
// same reason a recipient cannot prove to others what it was sent. The server sees who writes to whom, when, and about
// how much; it may withhold mail, deliver it in another order, or again: receivers recognise the last by [Content.ID]. An
// id is a hash of its key, so that a server cannot hand out another key for it; that an id is the person one means, only
// people can tell, by comparing a [SafetyNumber].
//
// # Format
//
// A payload is "hpke1." and base64url, without padding, of enc (32 bytes) and ciphertext: HPKE (RFC 9180) in mode_auth with
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-128-GCM, a fresh ephemeral key for each message, sequence number 0.
// LP(x) being a 16-bit big-endian length and x,
//
//	info      = LP("enigma-hpke1") ‖ LP(sender id) ‖ LP(recipient id)
//	aad       = LP("enigma-hpke1 message") ‖ LP(sender id) ‖ LP(recipient id)
//	plaintext = a JSON object in UTF-8, filled up with spaces to a multiple of 64 bytes
//
// The object has a "type": "text" with "id" (22 characters), "time" (ms since the epoch) and "text"; or "receipt" with
// "ids" and "time", which says that these texts were shown or processed. Other types and fields are for later versions and
// ignored. The public key of a user is "x25519:" and base64url, without padding, of its 32 bytes; it serves for the proof
// towards the server too.
package seal
