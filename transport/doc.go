// Package transport is the front end of a broker: HTTP by fasthttp, the WebSocket upgrade, RFC 6455 on the server's side,
// and the sockets of the conns.
//
// # The flow of a frame
//
//  1. fasthttp reads an upgrade request on a goroutine of its own. The handler checks it and has the connection hijacked;
//     adopt takes the bytes that came early, unwraps the socket and sends it to the shard of its user.
//  2. On that shard's goroutine the conn attaches to its user's actor. Reading begins with the broker's first Resume. A
//     conn on enigma.v1 whose user's key can be proved goes through its entrance first: a challenge, and the proof.
//  3. The socket reads into the turn's arena and calls input. The decoder finds whole frames there and unmasks them in
//     place; what is cut, or in fragments, it copies aside.
//  4. A message is scanned once, its from is checked, and it is submitted to the [actors.Link], or refused there. The bytes
//     it points to stay as they are until the turn ends.
//  5. What the broker has for the client comes back by [actors.Conn.Write], once per turn. When the kernel takes less, the
//     socket waits for room and tells the Link.
//
// # Two ways to carry a conn
//
// With [NewEpoll] as the shard's poller, a conn is one struct: no goroutine, and no buffer but in the middle of a frame.
// Its socket is taken away from Go's own poller. TLS connections, and all where there is no epoll, are streams: a goroutine
// reads and waits while the shard parses, another one writes while there is something to write. All else about a conn is
// the same code, and the same tests hold both.
//
// # Who owns what
//
//	Server.httpConns, counts, logins   their mutexes
//	an HTTP connection                 fasthttp's goroutine, until it is hijacked
//	a conn, its decoder and deadline   the goroutine of its user's shard
//	a loop, what conns of a shard share  that goroutine
//	an epoll, its arena and its sockets  that goroutine; only Wake is for others
//	a stream's read buffer             its reading goroutine, and the shard from the job until the turn's end
//	a stream's output                  its mutex; what is being written, the writing goroutine
//	a place in the count of a source   the connection, from accept or upgrade to its close
//
// # Closes
//
// All closes of a conn that is attached go through the broker, so that they stand in order with what is to be sent before:
// a broken frame, a message too large, the client's own Close lead to [actors.Link.Fail], and that to [actors.Conn.Close].
// The conn then writes the last bytes, reads on until the client's Close (discarding, unless the broker accepts what
// comes), closes its writing side, waits for the client's end of stream, and closes the socket: a socket that is closed
// with unread bytes in it sends a reset, which can overtake the error just written. One second bounds all of it. A
// client whose stream is broken is not waited for: its Close could not be found.
//
// A conn whose code panics is closed with 1011, and without a word if that fails too; its shard and all others go on.
//
// # In a program that has a server already
//
// With [Options].Prefix the front end answers below a path. A fasthttp server calls [Server.Handler] for it. One of net/http
// cannot: its connections are not fasthttp's. It runs [Server.Serve] on a loopback listener of its own and passes the
// path on by httputil.ReverseProxy, upgrades included, for two copies of each byte and two sockets and goroutines per
// conn. Such a proxy answers no Pings itself, so that confirmation is the client's. Both are among the Examples.
//
// # Threats
//
// Everything that comes in is from an adversary: it may be malformed, endless, slow, or one of very many. What it can use
// up is bounded, see below, and the parsers have fuzz targets. What is protected, and what is not:
//
//   - A user's mail and its place as the user's one connection, by the proof of its key. Before a conn has left its
//     entrance the broker does not know it. A user who has never given a proof has neither, by the bare protocol.
//   - A proof, against another server that asks for it on behalf of this one: it names the host that was dialled. That is
//     worth as much as this server's knowledge of its own name, see Options.PublicHosts.
//   - The requests of others on a connection that a proxy shares among them: a request that two parsers might take for
//     different ones is refused, and so is an upgrade with a body.
//   - Servers on loopback, from pages: Options.Origins, and the check of Host where a listener is bound to loopback.
//   - What the limits count, from clients that name another address: only trusted proxies are believed.
//   - The log, which names no client and quotes none.
//
// Not prevented is plain volume: there is no limit to the upgrades of a source but that of its connections, nor to its
// messages but that of each conn, and so the most is one times the other. Whoever reads an answer in each
// Options.WriteTimeout keeps an HTTP connection for good, in its place of those that one source may have.
//
// What the server itself learns, and could do, is not protected here: who writes to whom, when, how much, from where.
// Payloads are for the two ends to encrypt. A public key is what its id says or clients notice.
//
// # Limits
//
//	request line and headers     18 KiB (16 KiB is promised)             431
//	header lines                 no limit, but of more than 128 only those stay that the server asks for, and 128 of them   431
//	request body                 64 KiB                                  413
//	time for a request           Options.ReadTimeout                     408
//	a TLS handshake              16 KiB ([NewTLSListener])               closed
//	an answer that is not read   Options.WriteTimeout, and the kernel holds Options.SendBuffer
//	kept of a request until the next   1 KiB in 32 header lines; what is larger is dropped with its answer
//	HTTP connections             32,768                                  503
//	connections together         Options.MaxConns                       503
//	logins per source            Options.RateLogins                      429
//	connections per source       Options.MaxConnsPerIP                   429
//	messages of a conn           Options.RateMessages                    RATE_LIMITED, then 1008
//	its Pings, its Pongs and recv frames of no use, 64 fragments     the same, each like a message
//	one message                  protocol.Limits.MaxMessage, told by its header   MESSAGE_TOO_LARGE, 1009
//	messages come in part        Options.HoldBytes on each shard         1013
//	frames of one message        4,096                                   MESSAGE_TOO_LARGE, 1009
//	time for one message         Options.FrameTimeout                    1002
//	input of one turn            256 KiB, 64 KiB of one conn
//	before a conn is ready       4 KiB a message, 10 s in all            PROOF_REQUIRED, 4401
//	unparsed input of a conn     one read: a paused conn is not read, and the kernel holds Options.ReceiveBuffer
//	output of a conn             the kernel's Options.SendBuffer, of which 16 KiB wait to be sent; a stream has 64 KiB beside it
package transport
