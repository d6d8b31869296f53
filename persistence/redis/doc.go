// Package redis keeps keys and undelivered envelopes in Redis 7, or anything that speaks like it, through rueidis: one
// server, a Cluster, or a master watched by Sentinels.
//
// # URLs
//
//	redis://[user:password@]host[:port][/db]                  one server; a cluster's node leads to its cluster
//	redis://[user:password@]host:port,host:port,host:port     a cluster
//	redis+sentinel://[user:password@]host,host/master[/db]    sentinels, and the master's name
//	rediss://…, rediss+sentinel://…                           the same over TLS, to the sentinels too
//
// User and password are percent-encoded. Parameters: prefix, with which all keys begin ("enigma:"); with TLS, ca, cert
// and key, which name files, and insecure=1, which takes any certificate; with sentinels, sentinel_user and
// sentinel_password, since user and password are those of the master.
//
// # Layout
//
// Each user has three keys, with the id in braces, so that a cluster has them in one slot. No key is shared by users.
//
//	enigma:{uid}:q   LIST  the pending envelopes as records, in ascending seq
//	enigma:{uid}:u   HASH  k: the public key; l: set if it must be proved; s: the mailbox's state, 32 bytes: highest
//	                       seq ever appended, pending envelopes, their payload bytes, and a bound before which none of
//	                       them expires
//	enigma:{uid}:i   HASH  sender and id of each pending envelope that has one: its seq, and 16 bytes of the payload's
//	                       SHA-256, which tell a repeat from a conflict
//	enigma:ceiling         the seq ceiling
//
// A queue and an index go with their last envelope. The state stays as long as the key, since the highest seq must
// outlive every envelope: an append that was held up somewhere may be executed after its own retry and confirm, and
// then must do nothing.
//
// No key ever has a time to live. By the server's clock, which may jump, or be another one after a failover, no mail
// may end; it expires by the time that the caller of Read and Expire gives. It follows that the eviction policies
// volatile-* never take anything.
//
// # Atomicity
//
// What touches a user's keys together is one function on the server, see the files in lua. Functions are loaded on all
// masters when the store is opened, and again whenever a server says that it does not have them. Their names carry a
// digest of the code: versions do not disturb one another, and FUNCTION DELETE removes what an old one has left.
// Without FUNCTION (Redis before 7, managed services, access lists) the same code runs by EVALSHA and EVAL.
//
// All envelopes that a batch has for one user travel in one call, which keeps a prefix of them. Users fail on their own:
// with a master of a cluster down, the users of the others are served. While a slot is moved to another master, calls
// for users of whose keys it has some but not all are refused (TRYAGAIN) and nothing happens.
//
// # Outcomes
//
// An error that the server answers means that nothing happened. OOM is persistence.ErrFull, and so is MISCONF where it
// says that the disk is full; all others are ErrUnavailable. If an append is refused for want of memory, a second,
// read-only call finds out which of its envelopes an earlier attempt has kept, so that "full" always means "not kept".
// Reads, confirms, expiry, locks and the ceiling go on when memory is exhausted. Without an answer, a write that may
// have left this process has an unknown outcome. Connections come back by themselves; nothing is ever sent twice
// except by the caller.
//
// # Durability
//
// "Durable on return" holds with appendonly yes, appendfsync always, no-appendfsync-on-rewrite no, and an eviction
// policy that spares keys without a time to live. Replication does not strengthen it: Redis answers before its replicas
// have anything, and a failover loses what they had not. [Open] checks all of this and logs a warning for whatever is
// weaker, and for a server that is reached over a network without a password. It works without permission for the
// commands it checks with, and says so. An access list must allow the keys enigma:* and
//
//	+@hash +@list +get +set +persist +unlink +scan +multi +exec +ping +hello
//	+function|load +fcall, or else +evalsha +eval
//	+config|get +info, for the check; +cluster +asking +role, in a cluster
//
// Functions run with the rights of who calls them. So no other user of that server must be allowed function|load, not even
// one who may touch no key: it could replace ours at any time. [Open] puts ours in place of what it finds.
//
// With appendfsync always, Redis syncs once per turn of its event loop, and reads at most some 16 KiB of a connection
// in a turn. A batch of writes is therefore one transaction (MULTI), which is executed in one turn: see
// BenchmarkAppendTransaction, about twice as many appends a second. A cluster's transactions may not span slots, so it
// gets plain pipelines.
package redis
