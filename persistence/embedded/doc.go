// Package embedded is a store in a directory, on Pebble, so that one program runs with nothing beside it.
//
// # Layout
//
// A key begins with a byte that says what it is. U is the 20 bytes of a user id; numbers in keys are big-endian.
//
//	m U          state of U's mailbox: highest seq, confirmed seq, counters, time of its expiry key
//	m U seq      an envelope to U: sender, time, expiry, id, payload
//	i hash       seq of the pending envelope with that recipient, sender and id
//	e time U     at that time something of U's may expire; at most one per user
//	k U          public key and lock
//	c            seq ceiling
//	v            version of this layout
//
// Every value begins with the version of its encoding and is parsed without trust. There is no checksum in it: the
// engine's log and tables have one for every block.
//
// # Mailboxes
//
// An append writes one record per envelope, and in the common case nothing else. The state is written when something is
// deleted, by Confirm or Expire, in the same batch; and else once per 16 envelopes. So the state that is stored may be
// behind: envelopes above its highest seq are counted again when the mailbox is loaded, which is right because nothing
// above that seq has been deleted since. The highest seq ever appended thus survives confirm and expiry.
//
// States of the mailboxes used last are cached, and for small ones also which envelopes are pending, so that neither an
// append nor a confirm reads anything. Read starts above the confirmed seq and does not meet the tombstones below it.
//
// Expire visits users in the order of their expiry keys, whose time is a lower bound: it is moved forward by the visit,
// not by every confirm. A mailbox that is never visited in vain twice costs one key as long as it has mail, and for a
// while after.
//
// # Calls
//
// Calls that name different users run at once, and the engine writes what meets with one fsync. Append, PutKeys, Lock
// and Ceiling are durable on return; Confirm and Expire are not, for what is lost of them with the machine's power is
// delivered or expires again. A write that has not ended at its caller's deadline goes on without it: the outcome is
// unknown, and nothing new begins until it is known.
//
// # When the disk fails
//
// Below a floor of free space Append and PutKeys return ErrFull; Read, Confirm and Keys go on, and tables are merged to
// gain space. The engine does not survive a full disk, hence this: see floors.
//
// A failed fsync ends the store. It is never tried again, because the kernel forgets what it could not write. Every call
// returns ErrUnavailable from then on, the engine is kept from changing anything more on the disk, and Options.Failed
// is called. The caller of a write under way learns that its outcome is unknown.
package embedded
