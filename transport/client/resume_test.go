package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
)

func TestResume_ConfirmsFirstAndRemovesRepeats(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
	defer finish(t, c)
	for i := range 6 {
		p.message(i+1, fmt.Sprint("id", i+1), fmt.Sprint(i+1))
	}
	var held []*client.Message
	for range 4 {
		held = append(held, receive(t, c)) // 5 and 6 wait in the client
	}
	held[0].Confirm()
	held[1].Confirm()
	for p.want("recv").Seq != 2 {
	}
	p.cut()
	p = f.acceptReady()
	if got := p.want("recv"); got.Seq != 2 {
		t.Errorf("resumed with recv %d", got.Seq)
	}
	for i := 2; i < 6; i++ {
		p.message(i+1, fmt.Sprint("id", i+1), fmt.Sprint(i+1)) // the same again
	}
	p.message(7, "id4", "4") // sent again by its sender: a new seq
	p.message(8, "id8", "8")
	for _, want := range []string{"5", "6", "8"} {
		m := receive(t, c)
		if m.Payload != want {
			t.Fatalf("received %+v, want %s", m, want)
		}
		m.Confirm()
	}
	p.quiet(50 * time.Millisecond)
	held[2].Confirm()
	held[3].Confirm()
	for p.want("recv").Seq != 8 {
	}
	nothing(t, c)
}

func TestResume_ConfirmsWhileDisconnected(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(50*time.Millisecond, 50*time.Millisecond))
	defer finish(t, c)
	p.message(1, "", "x")
	m := receive(t, c)
	p.cut()
	<-p.gone
	m.Confirm()
	p = f.acceptReady()
	sent := sending(c, t.Context(), bob, "x")
	if got := p.want("recv"); got.Seq != 1 {
		t.Errorf("resumed with %d", got.Seq)
	}
	p.ack(p.want("send"))
	if err := outcome(t, sent); err != nil {
		t.Error(err)
	}
}

// What the server does not have any more does not count, even if its receiver holds it still.
func TestResume_HeldMessagesThatTheServerLost(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
	defer finish(t, c)
	p.message(1, "held", "x")
	held := receive(t, c)
	p.cut()
	p = f.acceptReady()
	p.message(50, "new", "x")
	receive(t, c).Confirm()
	if got := p.want("recv"); got.Seq != 50 {
		t.Errorf("recv %d", got.Seq)
	}
	p.message(51, "held", "x") // its sender has sent it again
	p.message(52, "newer", "x")
	receive(t, c).Confirm()
	p.quiet(50 * time.Millisecond)
	held.Confirm()
	if got := p.want("recv"); got.Seq != 52 {
		t.Errorf("recv %d", got.Seq)
	}
}

func TestWithLastSeq(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithLastSeq(41))
	defer finish(t, c)
	if got := p.want("recv"); got.Seq != 41 {
		t.Errorf("began with %+v", got)
	}
	p.message(41, "", "old")
	p.message(42, "", "new")
	if m := receive(t, c); m.Payload != "new" {
		t.Errorf("received %+v", m)
	}
}
