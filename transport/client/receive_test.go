package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

func receive(t testing.TB, c *client.Client) *client.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return m
}

// nothing checks that no message is at hand.
func nothing(t testing.TB, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if m, err := c.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("received %+v, %v", m, err)
	}
}

func TestReceive(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	p.message(7, "id", `a\n\u00e4\"`)
	p.write(`{"type":"message","from":%q,"to":%q,"payload":"","seq":9007199254740991,"time":1700000000123,"redelivered":true,"new":[1]}`, bob, alice)
	m := receive(t, c)
	if m.From != bob || m.To != alice || m.Payload != "a\nä\"" || m.ID != "id" || m.Seq != 7 || m.Redelivered ||
		!m.Time.Equal(time.UnixMilli(1_700_000_000_000)) {
		t.Errorf("received %+v", m)
	}
	m = receive(t, c)
	if m.Payload != "" || m.ID != "" || m.Seq != 1<<53-1 || !m.Redelivered || !m.Time.Equal(time.UnixMilli(1_700_000_000_123)) {
		t.Errorf("received %+v", m)
	}
	p.quiet(50 * time.Millisecond) // nothing is confirmed by itself
}

func TestReceive_Concurrently(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	const n = 200
	var mu sync.Mutex
	var got []uint64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 4 {
		wg.Go(func() {
			for {
				m, err := c.Receive(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				if got = append(got, m.Seq); len(got) == n {
					cancel()
				}
				mu.Unlock()
				m.Confirm()
			}
		})
	}
	for i := range n {
		p.message(i+1, "", "x")
	}
	wg.Wait()
	slices.Sort(got)
	if len(slices.Compact(got)) != n {
		t.Errorf("received %d different of %d", len(got), n)
	}
	for last := uint64(0); last != n; {
		f := p.want("recv")
		if f.Seq <= last {
			t.Fatalf("recv %d after %d", f.Seq, last)
		}
		last = f.Seq
	}
	finish(t, c)
}

// Messages that come in one segment wake as many receivers as there are messages.
func TestReceive_WakesAllThatCanGoOn(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	const receivers = 4
	for round := range 200 {
		var wg sync.WaitGroup
		var segment []byte
		for i := range receivers {
			wg.Go(func() { receive(t, c) })
			segment = append(segment, messageFrame(fmt.Sprintf(`"payload":"x","seq":%d`, receivers*round+i+1))...)
		}
		p.raw.Write(segment)
		wg.Wait()
	}
}

func TestConfirm_OnlyTheContiguousPrefix(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	var m []*client.Message
	for i := range 5 {
		p.message(10*(i+1), "", "x")
		m = append(m, receive(t, c))
	}
	m[2].Confirm()
	m[4].Confirm()
	m[1].Confirm()
	p.quiet(50 * time.Millisecond)
	if c.Confirmed() != 0 {
		t.Errorf("confirmed %d", c.Confirmed())
	}
	m[0].Confirm()
	m[0].Confirm() // again: nothing
	if got := p.want("recv"); got.Seq != 30 || c.Confirmed() != 30 {
		t.Errorf("recv %d, confirmed %d", got.Seq, c.Confirmed())
	}
	p.quiet(50 * time.Millisecond)
	c.Confirm(m[3])
	if got := p.want("recv"); got.Seq != 50 {
		t.Errorf("recv %d", got.Seq)
	}
	other := newFake(t)
	d, q := other.dial(alice)
	defer finish(t, d)
	q.message(1, "", "x")
	c.Confirm(receive(t, d)) // another client's: nothing
	p.quiet(20 * time.Millisecond)
}

func TestConfirm_Coalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice)
		for i := range 20 {
			p.message(i+1, "", "x")
		}
		synctest.Wait()
		for range 5 {
			receive(t, c).Confirm()
			synctest.Wait()
		}
		if len(p.frames) != 0 {
			t.Errorf("%d frames while more messages are at hand", len(p.frames))
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if got := p.want("recv"); got.Seq != 5 || len(p.frames) != 0 {
			t.Errorf("recv %d and %d more", got.Seq, len(p.frames))
		}
		for range 15 {
			receive(t, c).Confirm()
		}
		start := time.Now()
		for last := uint64(5); last < 20; {
			last = p.want("recv").Seq
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the last confirm waited %v though nothing else was at hand", waited)
		}
		// A quarter of the window goes at once, whatever is at hand.
		for i := range 128 {
			p.message(100+i, "", "x")
		}
		synctest.Wait()
		for range 64 {
			receive(t, c).Confirm()
		}
		start = time.Now()
		if got := p.want("recv"); got.Seq != 163 || time.Since(start) != 0 {
			t.Errorf("recv %d after %v", got.Seq, time.Since(start))
		}
		finish(t, c)
		stop()
	})
}

func TestClose_TellsWhatIsConfirmed(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	for i := range 3 {
		p.message(i+1, "", "x")
	}
	for range 2 {
		receive(t, c).Confirm()
	}
	finish(t, c)
	p.ended()
	last := uint64(0)
	for len(p.frames) > 0 {
		last = p.want("recv").Seq
	}
	if last != 2 {
		t.Errorf("last recv %d", last)
	}
	// The third is the server's again.
	if m, err := c.Receive(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("received %+v, %v", m, err)
	}
}

func TestReceive_EndsWithTheClient(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	got := make(chan error, 1)
	go func() {
		_, err := c.Receive(context.Background())
		got <- err
	}()
	p.write("%s", protocol.AppendV1Error(nil, protocol.CodeReplaced, nil, nil))
	p.Close(4409, "")
	if err := outcome(t, got); !errors.Is(err, client.ErrReplaced) {
		t.Errorf("receive: %v", err)
	}
	<-c.Done()
	finish(t, c)
}

func TestDrained(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
	defer finish(t, c)
	drained := func() bool {
		select {
		case <-c.Drained():
			return true
		default:
			return false
		}
	}
	p.message(1, "", "stored")
	p.cut() // before all that is stored has come
	p = f.acceptReady()
	p.message(1, "", "stored")
	p.message(2, "", "stored")
	p.write(`{"type":"drained"}`)
	p.message(3, "", "new")
	for i, want := range []bool{false, true, true} {
		receive(t, c)
		time.Sleep(20 * time.Millisecond) // the drained frame may be later than the message
		if drained() != want {
			t.Errorf("after message %d: drained %v", i+1, drained())
		}
	}
	p.write(`{"type":"drained"}`) // nothing happens
	p.message(4, "", "new")
	receive(t, c)
}

// More than the client has room for: it lets go, goes on answering, and fetches the rest when there is room.
func TestReceive_TurnsAwayWhatFindsNoRoom(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
	defer finish(t, c)
	const kept, all = 4096, 4200
	for i := range all {
		p.message(i+1, "", "x")
	}
	sent := sending(c, t.Context(), bob, "x")
	p.ack(p.want("send"))
	if err := outcome(t, sent); err != nil { // acks are not stuck behind mail
		t.Fatal(err)
	}
	for i := range kept {
		if i == 100 { // there is room for one more now, but there was none for those before it
			p.message(all+1, "", "x")
			p.write(`{"type":"drained"}`)
			p.ackNext(c)
		}
		m := receive(t, c)
		if m.Seq != uint64(i+1) {
			t.Fatalf("received %d, want %d", m.Seq, i+1)
		}
		m.Confirm()
	}
	select {
	case <-c.Drained():
		t.Error("drained, without what was turned away")
	default:
	}
	p = f.acceptReady()
	seq := p.want("recv").Seq
	for i := int(seq); i < all; i++ {
		p.message(i+1, "", "x")
	}
	p.write(`{"type":"drained"}`)
	for i := kept; i < all; i++ {
		if m := receive(t, c); m.Seq != uint64(i+1) {
			t.Fatalf("received %d, want %d", m.Seq, i+1)
		}
	}
	<-c.Drained()
}

// ackNext has the client send a message and acknowledges it: by then all that was written before has been read.
func (p *peer) ackNext(c *client.Client) {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Send(context.Background(), bob, "sync") }()
	for {
		if f := p.read(); f.Type == "send" {
			p.ack(f)
			break
		}
	}
	if err := <-done; err != nil {
		p.t.Error(err)
	}
}
