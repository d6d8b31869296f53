package actors_test

import (
	"fmt"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
)

// wasted asks for the waste of a conn's link.
func (c *conn) wasted() (n int) {
	c.do(func() { n = c.link.Waste() })
	return n
}

func wantWaste(t *testing.T, c *conn, what string, want int) {
	t.Helper()
	c.do(func() {}) // the turn in which it came is over
	if got := c.wasted(); got != want {
		t.Errorf("%s: %d frames of no use, want %d", what, got, want)
	}
}

// A client may answer each message with a recv, in whatever order; what it sends beyond that is waste.
func TestLink_CountsRecvBeyondOneForEachMessage(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob, v1)
		c.nextN(2)
		var seqs []uint64
		for i := range 600 {
			a.send(bob, fmt.Sprint(i))
			seqs = append(seqs, c.next().Seq)
			if i%6 == 5 { // six at a time, the last of them first
				for at := len(seqs) - 1; at >= len(seqs)-6; at-- {
					c.recv(seqs[at])
				}
				wantWaste(t, c, "six recv for six messages", 0)
			}
		}
		for range 3 {
			c.recv(seqs[0])
		}
		wantWaste(t, c, "three recv for none", 3)
		wantWaste(t, c, "no recv since", 0)
		c.recv(1 << 53)
		c.next() // INVALID_MESSAGE
		wantWaste(t, c, "a recv of the future", 1)

		// What was saved is bounded: it is no licence to send a million later.
		for range 5 {
			for i := range 100 {
				a.send(bob, fmt.Sprint(i))
			}
			list := c.nextN(100)
			c.recv(list[99].Seq)
		}
		wantWaste(t, c, "few recv for many messages", 0)
		for range 300 {
			c.recv(seqs[0])
		}
		wantWaste(t, c, "300 recv with 256 saved", 44)
	})
}

// The Pong of a fence is what a client owes; all others are waste.
func TestLink_CountsPongsThatAnswerNoFence(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob, mute)
		for range 3 {
			a.send(bob, "x")
			c.next()
			c.await("the fence", func() bool { return len(c.pings) == 1 })
			fence := c.pings[0]
			c.pings = nil
			c.do(func() { c.pong(fence) })
			wantWaste(t, c, "a Pong that is owed", 0)
			c.do(func() { c.pong(fence) })
			wantWaste(t, c, "the same again", 1)
		}
		c.do(func() { c.link.Pong(nil) })
		c.do(func() { c.link.Pong(make([]byte, 16)) })
		wantWaste(t, c, "Pongs of nothing", 2)
		c = attach(t, b, alice, v1)
		c.nextN(2)
		c.do(func() { c.link.Pong(make([]byte, 16)) })
		wantWaste(t, c, "a Pong on v1, which confirms nothing", 1)
	})
}
