// Package actors is the core of the broker: every connected user is an actor that owns its public key, its connection
// and its mailbox. It knows nothing of sockets, HTTP or Redis; a front end hands it conns, a [Store] keeps what cannot
// be delivered yet. Programs may embed it without the rest.
//
// # The flow of a message
//
//  1. Alice's conn, on the goroutine of her shard, hands an envelope to her [Link]: Submit.
//  2. The shard finds Bob's actor, spawning it if there is none, and links the envelope into Bob's mailbox; for
//     another shard it goes into a parcel, one per turn. There is no actor for the sender and none for routing.
//  3. In the same turn Bob's actor gets all that came for him as one message, and gives each envelope its place in
//     Bob's order. If Bob is live it goes to his outbox, in the form it has on the wire, and the shard writes the
//     outbox once, at the end of the turn. Otherwise it goes to the persistence actor, and from there to the store.
//  4. It stays in the outbox until Bob's client has proved its receipt: by the Pong of a fence on the plain profile,
//     by recv on v1. What is not proved within a second is stored; so is everything unproved when the conn ends.
//  5. Alice's credit returns when the envelope is placed or stored; a v1 sender gets her ack when it is safe: stored,
//     or confirmed, whichever is first.
//
// So the store is not on the path of mail to an attached user that keeps up.
//
// # Who owns what
//
//	Broker     shards, persistence actors, the memory budget, the source of seqs
//	Shard      one goroutine; the registry of its users, their actors, Links, timers, buffers, letters of a turn
//	user       the actor: key, conn, delivery state; runs on its shard, nothing of it is locked
//	delivery   one user's order: outbox, held envelopes, what is under way to and from the store
//	Link       what the shard knows of a conn: credit, tickets, answers to write
//	persister  an actor with a goroutine of its own while there is work: the store's batches, what must be repeated
//
// What crosses goroutines: jobs posted to a shard ([Shard.Post]), requests to a persister, and its answers, which are
// jobs again. Everything else happens on one shard's goroutine, and must not block there.
//
// # For hosts
//
// A program needs a [Store] and [New]. Stores are in package persistence/embedded and package persistence/redis; the
// Example of package persistence/storetest is a small one of a host's own, with its test. Then, simplest first:
//
//	Broker.Submit, SubmitFunc, SubmitFor    send for a user, with the outcome as a result, by a function, or as a message
//	Broker.Connect                          receive for a user, by Receiver.Receive on any goroutine
//	Broker.ConnectActor                     the same for an actor of the host, in its own mailbox
//	Broker.Attach, with a Conn, and a Link  a front end of one's own: frames, on the shard's goroutine ([Shard.Post])
//	WithPoller                              the same with sockets, which the shard then waits on itself
//	WithSystem                              run in the host's actor system
//	WithEvents                              hear who comes and goes, and what is parked, refused and dropped
//	Broker.Stats, Ready                     what to watch
//	Broker.Shutdown                         store everything, stop the broker's actors and goroutines, and nothing else
//
// The Examples show them. A broker has no global state, logs only to [WithLogger], registers no metrics, and closes
// neither the store nor a system it was given. Several may run in one process, and in one system. Code of the host that
// the broker calls (conns, stores, functions, subscribers) must not block; where it panics, one user or one call ends.
//
// # Promises
//
//   - An acknowledged envelope is stored or confirmed. A plain one whose submission drew no error is stored, confirmed,
//     or in the memory of a running broker; a clean shutdown stores it.
//   - All mail to a user has one order. Duplicates only happen when a conn ended before its client had confirmed, or
//     the server died, and carry the same id.
//   - Memory per conn and altogether is bounded: by credit, by the bounds of the outbox, by the budget.
//   - A user whose actor, conn or timer panics is stopped, and its mail stored; nobody else notices.
//   - A conn that has proved possession of its user's key ([AttachOptions]) is not replaced by one that has not. With the
//     default policy ([Auth]) the first proof locks the user: from then on none attaches without. The lock is in the store
//     before that first conn is attached.
//   - A store that fails delays or refuses mail for users who are away; live delivery goes on.
package actors
