package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
)

func newPlainFake(t *testing.T) *fake {
	f := newFake(t)
	f.plain = true
	return f
}

// plainMessage sends alice a message from bob, as a plain server does.
func (p *peer) plainMessage(payload string) {
	p.t.Helper()
	p.write(`{"from":%q,"to":%q,"payload":%q}`, bob, alice, payload)
}

func TestPlain_SendsAndReceives(t *testing.T) {
	f := newPlainFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	if c.V1() {
		t.Error("speaks v1")
	}
	for i := range 3 {
		if err := c.Send(t.Context(), bob, fmt.Sprint(i), client.WithTTL(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if data := <-p.frames; string(data) != fmt.Sprintf(`{"from":%q,"to":%q,"payload":"%d"}`, alice, bob, i) {
			t.Errorf("sent %s", data)
		}
	}
	p.plainMessage("hello")
	p.write(`{"something":"else"}`)
	m := receive(t, c)
	if m.From != bob || m.To != alice || m.Payload != "hello" || m.Seq != 0 || m.ID != "" || !m.Time.IsZero() {
		t.Errorf("received %+v", m)
	}
	m.Confirm()
	p.plainMessage("hello") // it has no identity: not a repeat
	receive(t, c)
	p.quiet(20 * time.Millisecond)
}

func TestPlain_ErrorsAreSurfaced(t *testing.T) {
	f := newPlainFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	if err := c.Send(t.Context(), carol, "x"); err != nil {
		t.Fatal(err)
	}
	p.write(`{"error":"User not found","code":"USER_NOT_FOUND","to":%q}`, carol)
	p.write(`{"error":"an old server gives no code"}`)
	if e := <-c.Errors(); !errors.Is(e, client.ErrUserNotFound) || e.To != carol {
		t.Errorf("error %+v", e)
	}
	if e := <-c.Errors(); e.Text != "an old server gives no code" || errors.Is(e, &client.Error{}) {
		t.Errorf("error %+v", e)
	}
}

func TestPlain_UnknownUser(t *testing.T) {
	f := newPlainFake(t)
	f.mute = true // like a server that refuses, it does not answer the Ping first
	go func() {
		p := f.accept()
		p.write(`{"error":"User not found","code":"USER_NOT_FOUND"}`)
		p.Close(4404, "")
	}()
	_, err := f.tryDial(alice)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "USER_NOT_FOUND" || e.Status != 4404 {
		t.Errorf("dial: %v", err)
	}
}

// Mail may come before the Pong that tells a plain client that it is connected.
func TestPlain_MessageBeforeThePong(t *testing.T) {
	f := newPlainFake(t)
	f.mute = true
	go func() {
		p := f.accept()
		p.plainMessage("early")
		p.plainMessage("next")
		f.peers <- p
		p.pump()
	}()
	c, err := f.tryDial(alice)
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	f.accept()
	for _, want := range []string{"early", "next"} {
		if m := receive(t, c); m.Payload != want {
			t.Errorf("received %+v", m)
		}
	}
}

func TestPlain_ReplacedIsFinal(t *testing.T) {
	f := newPlainFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	p.plainMessage("last words")
	p.write(`{"error":"Connected from another location","code":"REPLACED"}`)
	p.Close(4409, "")
	<-c.Done()
	// The message exists nowhere else.
	if m, err := c.Receive(t.Context()); err != nil || m.Payload != "last words" {
		t.Errorf("received %+v, %v", m, err)
	}
	if _, err := c.Receive(t.Context()); !errors.Is(err, client.ErrReplaced) {
		t.Errorf("receive: %v", err)
	}
}

// A receiver that does not keep up holds the server back; that is not taken for a dead server.
func TestPlain_Backpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.plain = true
		c, p := f.dial(alice)
		const n = 200
		written := 0
		go func() {
			for i := range n {
				p.plainMessage(fmt.Sprint(i))
				written++
			}
		}()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if written < 64 || written > 70 {
			t.Errorf("%d messages taken from the server", written)
		}
		for i := range n {
			if m := receive(t, c); m.Payload != fmt.Sprint(i) {
				t.Fatalf("received %+v, want %d", m, i)
			}
		}
		if len(f.peers) > 0 {
			t.Error("reconnected")
		}
		finish(t, c)
		stop()
	})
}

func TestPlain_SlowReceiverIsNoDeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.plain = true
		c, p := f.dial(alice)
		for range 65 {
			p.plainMessage("x")
		}
		time.Sleep(time.Hour)
		for range 65 {
			receive(t, c)
		}
		time.Sleep(time.Hour)
		if len(f.peers) > 0 {
			t.Error("reconnected")
		}
		p.plainMessage("x")
		receive(t, c)
		finish(t, c)
		stop()
	})
}

func TestPlain_CloseWhileHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.plain = true
		c, p := f.dial(alice)
		for range 65 {
			p.plainMessage("x")
		}
		synctest.Wait()
		finish(t, c)
		for range 65 {
			receive(t, c)
		}
		if _, err := c.Receive(t.Context()); !errors.Is(err, client.ErrClosed) {
			t.Errorf("receive: %v", err)
		}
		stop()
	})
}

func TestPlain_SendsWaitForAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.plain = true
		c, p := f.dial(alice)
		p.cut()
		synctest.Wait()
		sent := sending(c, t.Context(), bob, "x")
		p = f.accept()
		if got := p.read(); got.Payload != "x" {
			t.Errorf("sent %+v", got)
		}
		if err := <-sent; err != nil {
			t.Errorf("send: %v", err)
		}
		finish(t, c)
		stop()
	})
}

// What was written under v1 and not answered cannot be repeated without an id.
func TestPlain_AfterV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice)
		written := sending(c, t.Context(), bob, "written")
		p.want("send")
		f.mu.Lock()
		f.plain = true
		f.mu.Unlock()
		p.cut()
		synctest.Wait()
		waiting := sending(c, t.Context(), bob, "waiting")
		p = f.accept()
		if got := p.read(); got.Payload != "waiting" || got.Type != "" {
			t.Errorf("sent %+v", got)
		}
		if err := <-written; !errors.Is(err, client.ErrUnknownOutcome) {
			t.Errorf("written: %v", err)
		}
		if err := <-waiting; err != nil {
			t.Errorf("waiting: %v", err)
		}
		if c.V1() {
			t.Error("speaks v1")
		}
		finish(t, c)
		stop()
	})
}

// Nor can what was written without an id be repeated with one.
func TestPlain_BeforeV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.plain, f.mute = true, true
		go func() {
			p := f.accept()
			p.raw.Read(make([]byte, 16)) // the Ping; net/http may have its first byte already
			p.plainMessage("ready")
			f.peers <- p
		}()
		c, err := f.tryDial(alice)
		if err != nil {
			t.Fatal(err)
		}
		p := f.accept()
		f.mu.Lock()
		f.plain, f.mute = false, false
		f.mu.Unlock()
		sent := sending(c, t.Context(), bob, "x")
		synctest.Wait()
		p.cut()
		p = f.acceptReady()
		if err := <-sent; !errors.Is(err, client.ErrUnknownOutcome) {
			t.Errorf("send: %v", err)
		}
		p.quiet(time.Second)
		finish(t, c)
		stop()
	})
}

// A write that breaks leaves the outcome unknown; without ids it is not repeated.
func TestPlain_BrokenWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.plain, f.mute = true, true
		go func() {
			p := f.accept()
			p.raw.Read(make([]byte, 16)) // the Ping; net/http may have its first byte already
			p.plainMessage("ready")
			f.peers <- p
		}()
		c, err := f.tryDial(alice)
		if err != nil {
			t.Fatal(err)
		}
		p := f.accept()
		f.setMute(false)
		sent := sending(c, t.Context(), bob, "x")
		synctest.Wait() // in the middle of the write: a pipe has no buffer
		p.cut()
		if err := <-sent; !errors.Is(err, client.ErrUnknownOutcome) {
			t.Errorf("send: %v", err)
		}
		f.accept().quiet(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Close(ctx)
		stop()
	})
}
