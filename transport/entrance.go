package transport

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// entrance is the link of a conn on enigma.v1 whose user's key can be proved, from the upgrade until it attaches:
//
//  1. The upgrade looks the key up and makes a challenge, on the request's goroutine.
//  2. On the shard, the conn sends the challenge and reads frames of at most protocol.MaxProofFrame bytes. The first
//     message must be a proof, within ten seconds. All else ends the conn with CodeProofRequired.
//  3. A goroutine of its own checks the proof, which takes as long as a hundred messages do; the conn is not read on.
//  4. With a valid proof, or one that declines, the conn attaches; its user's actor decides whether a proof was due. What
//     the client has sent behind the proof is read when the conn is ready, as on a conn without a challenge.
//
// The broker does not know the conn before the last step, so it gets no mail, sends none, and replaces nobody. All of an
// entrance belongs to the shard's goroutine, but for the challenge and the claim while they are checked.
type entrance struct {
	conn      *conn
	challenge *protocol.Challenge // nil if the key cannot be had now, and once it is answered
	claim     protocol.Claim
	pongs     int // that nobody asked for, and were not counted yet
}

// entranceOf returns the entrance of a user's conn; nil if it attaches without one, for then there is nothing to prove.
func (s *Server) entranceOf(ctx *fasthttp.RequestCtx, id protocol.UserID) *entrance {
	wait, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	key, err := s.broker.KeyToProve(wait, id)
	if actors.CodeOf(err) == protocol.CodeUserNotFound {
		return nil // its actor says so
	}
	if err != nil {
		s.log.Debug("no key to prove", "error", err)
		return &entrance{}
	}
	provable, ok := protocol.ParseProvableKey(key)
	if !ok {
		return nil
	}
	challenge, err := provable.Challenge(s.opts.now())
	if err != nil {
		s.log.Error("no challenge", "error", err)
		return &entrance{}
	}
	return &entrance{challenge: challenge, claim: protocol.Claim{Authority: s.authority(ctx), User: id, PublicKey: key}}
}

// authority is what a proof on this connection is bound to: empty, which no proof is, for a Host that is not ours.
func (s *Server) authority(ctx *fasthttp.RequestCtx) string {
	hosts := s.opts.PublicHosts
	if len(hosts) == 1 {
		return hosts[0]
	}
	if len(hosts) == 0 && forwarded(&ctx.Request.Header) {
		s.warnUnprotected()
	}
	host, _ := protocol.Authority(string(ctx.Request.Header.Host()))
	if len(hosts) > 0 && !slices.Contains(hosts, host) {
		return ""
	}
	return host
}

// warnUnprotected says, once, what a proof is not worth when it is bound to whatever Host a request names.
func (s *Server) warnUnprotected() {
	s.unprotected.Do(func() {
		s.log.Warn("proofs of key possession do not protect against a server that relays them: name the hosts that clients dial with --public-host")
	})
}

// begin sends the challenge and begins to read.
func (e *entrance) begin(c *conn) {
	e.conn = c
	switch {
	case c.loop.server.draining.Load():
		e.Fail(protocol.CodeNone, protocol.CloseGoingAway)
		return
	case e.challenge == nil:
		e.Fail(protocol.CodeNone, protocol.CloseTryAgain)
		return
	}
	if c.loop.entrances == nil {
		c.loop.entrances = map[*entrance]struct{}{}
	}
	c.loop.entrances[e] = struct{}{}
	c.set(proving | challenged)
	c.loop.server.meter.challenges.Add(1)
	c.setDeadline(c.loop.server.opts.proofTimeout)
	e.send(protocol.OpText, e.challenge.Append(nil))
	c.wake()
}

// send writes a frame. A socket that is new takes it whole, unless the client pings and does not read.
func (e *entrance) send(op protocol.Opcode, payload []byte) {
	c := e.conn
	frame := protocol.AppendFrame(nil, op, payload)
	if n, err := c.sock.write(frame); err != nil || n < len(frame) {
		c.set(lost)
		c.wake()
	}
}

// message takes the one message that may come.
func (e *entrance) message(ev *event) {
	f := &e.conn.loop.frame
	err := f.Parse(ev.payload)
	if err == protocol.ErrUTF8 && !ev.binary {
		e.conn.fail(protocol.CodeNone, protocol.CloseInvalidData)
		return
	}
	if err != nil || f.Type != protocol.FrameProof {
		e.refuse()
		return
	}
	e.conn.order = e.conn.loop.server.nextOrder() // what its client did last counts
	proof, ok := f.Proof()
	switch {
	case !ok:
		e.refuse()
	case proof.Declined():
		e.admit(false)
	default:
		e.check(proof)
	}
}

// check has the proof checked, and the conn wait.
func (e *entrance) check(proof protocol.Proof) {
	e.conn.clearDeadline() // from here on it is our own time
	e.conn.set(paused)
	challenge := e.challenge
	e.challenge = nil
	go func() {
		e.conn.loop.shard.Post(&verdict{e, e.verify(challenge, proof)}) // a shard that has stopped has ended the conn
	}()
}

func (e *entrance) verify(challenge *protocol.Challenge, proof protocol.Proof) (valid bool) {
	defer func() {
		if fault := recover(); fault != nil {
			e.conn.loop.server.log.Error("panic in a proof", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			valid = false
		}
	}()
	return challenge.Verify(e.conn.loop.server.opts.now(), &e.claim, proof)
}

// verdict is a proof that has been checked.
type verdict struct {
	entrance *entrance
	valid    bool
}

// Run implements [actors.Job].
func (v *verdict) Run() {
	c := v.entrance.conn
	defer c.guard()
	switch {
	case c.is(closing | discharged):
	case v.valid:
		v.entrance.admit(true)
	default:
		v.entrance.refuse()
	}
}

// admit attaches the conn.
func (e *entrance) admit(proven bool) {
	if m := &e.conn.loop.server.meter; proven {
		m.proven.Add(1)
	} else {
		m.declined.Add(1)
	}
	e.leave()
	e.conn.join(proven)
}

// refuse closes the conn: what was to be proved is not.
func (e *entrance) refuse() { e.Fail(protocol.CodeProofRequired, protocol.CloseProofRequired) }

func (e *entrance) leave() {
	e.conn.unset(proving)
	delete(e.conn.loop.entrances, e)
}

// Fail implements link: it closes the conn, as [actors.Link.Fail] does.
func (e *entrance) Fail(code protocol.Code, with protocol.CloseCode) {
	if code == protocol.CodeProofRequired {
		e.conn.loop.server.meter.failed.Add(1)
	} else {
		e.countAbandoned()
	}
	e.leave()
	var last []byte
	if code != protocol.CodeNone {
		e.conn.loop.shard.CountRefusal(code)
		last = protocol.AppendFrame(nil, protocol.OpText, protocol.AppendV1Error(nil, code, nil, nil))
	}
	e.conn.Close(with, protocol.AppendClose(last, with), false)
}

// Ping implements link.
func (e *entrance) Ping(payload []byte) { e.send(protocol.OpPong, payload) }

// Detach implements link: the conn is gone.
func (e *entrance) Detach() {
	e.countAbandoned()
	e.leave()
}

// countAbandoned counts a conn that ends with its challenge open.
func (e *entrance) countAbandoned() {
	if e.conn.is(proving) {
		e.conn.loop.server.meter.abandoned.Add(1)
	}
}

// What a link knows of mail and of life does not concern a conn that is not attached; its messages go to message.

// Submit implements link.
func (e *entrance) Submit(*actors.Submission) {}

// Refuse implements link.
func (e *entrance) Refuse(protocol.Code, []byte, []byte) {}

// Recv implements link.
func (e *entrance) Recv(uint64) {}

// Alive implements link.
func (e *entrance) Alive() {}

// Pong implements link.
func (e *entrance) Pong([]byte) { e.pongs++ }

// Waste implements link.
func (e *entrance) Waste() int {
	n := e.pongs
	e.pongs = 0
	return n
}

// Writable implements link.
func (e *entrance) Writable() {}

// turnAwayJob closes the conns of a shard that are not attached yet, because the server shuts down.
type turnAwayJob struct{ loop *loop }

// Run implements [actors.Job].
func (j turnAwayJob) Run() {
	for e := range j.loop.entrances {
		e.turnAway()
	}
}

func (e *entrance) turnAway() {
	defer e.conn.guard()
	e.Fail(protocol.CodeNone, protocol.CloseGoingAway)
}
