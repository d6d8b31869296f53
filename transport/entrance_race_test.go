package transport_test

import (
	"context"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
)

// What happens while something else is under way.

// heldClock is a clock that is read once, and then not before it is let go: so a check of a proof takes as long as a
// test wants.
type heldClock struct {
	calls  chan struct{} // one for each reading that may go on
	asking chan struct{} // one for each that has begun
}

func newHeldClock() *heldClock {
	c := &heldClock{calls: make(chan struct{}, 8), asking: make(chan struct{}, 8)}
	c.calls <- struct{}{} // of the challenge
	return c
}

func (c *heldClock) now() time.Time {
	c.asking <- struct{}{}
	<-c.calls
	return time.Now()
}

func TestEntrance_DoesNotCountOurOwnTime(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		const limit = 100 * time.Millisecond
		store := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{Messages: 1000, Bytes: 1 << 20}))
		clock := newHeldClock()
		n := b.startOn(t, store, transport.Options{}.WithProofTimeout(limit).WithClock(clock.now))
		store.Set(storetest.Fault{Delay: 3 * limit}, storetest.Lock)
		k := newX25519()
		c := n.connect(k.key, offerV1)
		c.prove(k)
		<-clock.asking
		<-clock.asking // the check has begun
		time.AfterFunc(3*limit, func() { clock.calls <- struct{}{} })
		c.wantReady(true)
		c.echoed("on time")
		// Declined, and the actor takes long to load.
		clock.calls <- struct{}{}
		c = n.connect(newX25519().key, offerV1)
		c.challenge()
		store.Set(storetest.Fault{Delay: 3 * limit}, storetest.Keys)
		c.sendText(`{"type":"proof"}`)
		c.wantReady(false)
	})
}

func TestEntrance_VerdictComesTooLate(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		for _, authority := range []string{host, "relay.example"} {
			clock := newHeldClock()
			n := b.start(t, transport.Options{}.WithClock(clock.now))
			k := newX25519()
			c := n.connect(k.key, offerV1)
			c.sendText(k.proof(t, c.challenge(), authority))
			<-clock.asking
			<-clock.asking
			n.server.Drain()
			c.wantClose(1001)
			clock.calls <- struct{}{}
			n.shutdown()
			if s := n.broker.Stats(); s.Attached != 0 || s.Refused["PROOF_REQUIRED"] != 0 {
				t.Errorf("%d attached, %v refused", s.Attached, s.Refused)
			}
		}
	})
}

// slowKeys is a broker that takes its time to find keys.
type slowKeys struct {
	*actors.Broker
	asked, hold chan struct{}
}

func (s slowKeys) KeyToProve(ctx context.Context, id protocol.UserID) ([]byte, error) {
	close(s.asked)
	<-s.hold
	return s.Broker.KeyToProve(ctx, id)
}

func TestEntrance_OpensWhileTheServerEnds(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.startBroker(t)
		slow := slowKeys{n.broker, make(chan struct{}), make(chan struct{})}
		n.server, n.addr = serve(t, slow, transport.Options{})
		n.endBroker()
		k := newX25519()
		id := n.login(k.key)
		c := &wsConn{rawConn: dial(t, n.addr), id: id}
		c.send(upgradeRequest("/ws/"+id.String(), offerV1))
		<-slow.asked
		n.server.Drain()
		close(slow.hold)
		if r := c.response("GET"); r.StatusCode != 101 {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		c.wantClose(1001)
	})
}

// Of two connections the newer one is the one whose proof came last, not the one that was opened last.
func TestEntrance_WhoProvesLastIsTheNewest(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		first := n.connect(k.key, offerV1)
		challenge := first.challenge()
		second := n.upgrade(k.id(), offerV1)
		second.prove(k)
		second.wantReady(true)
		first.sendText(k.proof(t, challenge, host))
		first.wantReady(true)
		second.want(string(protocol.AppendV1Error(nil, protocol.CodeReplaced, nil, nil)))
		second.wantClose(4409)
		first.echoed("still here")
	})
}

func TestEntrance_IsNotForUnknownUsers(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		c := n.upgrade(newX25519().id(), offerV1)
		c.want(string(protocol.AppendV1Error(nil, protocol.CodeUserNotFound, nil, nil)))
		c.wantClose(4404)
	})
}

// A client whose connection is broken makes a new one. The server may be slow to take the first: it comes late then, and
// must not replace the second.
func TestUpgrade_OvertakenByTheNextReplacesNobody(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.startBroker(t)
		slow := slowKeys{n.broker, make(chan struct{}), make(chan struct{})}
		n.server, n.addr = serve(t, slow, transport.Options{})
		n.endBroker()
		id := n.login("alice")
		late := &wsConn{rawConn: dial(t, n.addr), id: id}
		late.send(upgradeRequest("/ws/"+id.String(), offerV1))
		<-slow.asked
		c := n.upgrade(id).attached()
		close(slow.hold)
		if r := late.response("GET"); r.StatusCode != 101 {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		late.want(string(protocol.AppendV1Error(nil, protocol.CodeReplaced, nil, nil)))
		late.wantClose(4409)
		c.sendText(envelope(id, id, "still here"))
		c.want(envelope(id, id, "still here"))
	})
}
