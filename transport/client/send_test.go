package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

// sending calls Send on a goroutine.
func sending(c *client.Client, ctx context.Context, to, payload string, opts ...client.SendOption) <-chan error {
	out := make(chan error, 1)
	go func() { out <- c.Send(ctx, to, payload, opts...) }()
	return out
}

func outcome(t *testing.T, ch <-chan error) error {
	t.Helper()
	select {
	case err := <-ch:
		return err
	case <-time.After(patience):
		t.Fatal("Send does not return")
		return nil
	}
}

func TestSend_ReturnsOnAck(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	payload := "plain \"quoted\" \\ \x00\x1f\t\r\n <&> \u2028 \U0001F512"
	sent := sending(c, t.Context(), bob, payload, client.WithTTL(1500*time.Millisecond))
	got := p.want("send")
	if got.To != bob || got.Payload != payload || got.TTL != 2 || len(got.ID) != 22 {
		t.Errorf("sent %+v", got)
	}
	select {
	case err := <-sent:
		t.Errorf("returned %v before the ack", err)
	case <-time.After(20 * time.Millisecond):
	}
	p.write(`{"type":"ack","id":"other","to":%q}`, bob) // answers nothing
	p.write(`{"type":"ack","id":%q,"to":%q}`, got.ID, carol)
	p.ack(got)
	if err := outcome(t, sent); err != nil {
		t.Errorf("send: %v", err)
	}
}

func TestSend_IDsAreRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[client.NewID()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different ids of 1000", len(seen))
	}
}

func TestSend_ReturnsTheServersError(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	for _, code := range []protocol.Code{protocol.CodeUserNotFound, protocol.CodeMailboxFull, protocol.CodeStoreUnavailable,
		protocol.CodeStoreFull, protocol.CodeRateLimited, protocol.CodeIDConflict, protocol.CodeInvalidMessage} {
		sent := sending(c, t.Context(), bob, "x", client.WithID("id-"+code.String()))
		p.fail(p.want("send"), code)
		err := outcome(t, sent)
		var e *client.Error
		want := client.Error{Code: code.String(), Text: code.Text(), To: bob, ID: "id-" + code.String()}
		if !errors.As(err, &e) || *e != want || !errors.Is(err, &client.Error{Code: code.String()}) {
			t.Errorf("send: %#v, want %#v", e, want)
		}
	}
	// An error that says no recipient still finds its message.
	sent := sending(c, t.Context(), bob, "x")
	p.write(`{"type":"error","code":"SOMETHING_NEW","error":"?","id":%q}`, p.want("send").ID)
	var e *client.Error
	if err := outcome(t, sent); !errors.As(err, &e) || e.Code != "SOMETHING_NEW" || e.To != bob {
		t.Errorf("send: %v", err)
	}
}

func TestSend_UnattributedErrorGoesToErrors(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	for range 200 { // more than are kept: nothing may block
		p.write(`{"type":"error","code":"INVALID_MESSAGE","error":"Invalid message format"}`)
	}
	if e := <-c.Errors(); e.Code != "INVALID_MESSAGE" || e.Status != 0 {
		t.Errorf("error %+v", e)
	}
	sent := sending(c, t.Context(), bob, "x")
	p.ack(p.want("send"))
	if err := outcome(t, sent); err != nil {
		t.Errorf("send: %v", err)
	}
}

func TestSend_RefusesBadArguments(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	for _, err := range []error{
		c.Send(t.Context(), "nobody", "x"),
		c.Send(t.Context(), strings.ToUpper(bob), "x"),
		c.Send(t.Context(), bob, "\xff"),
		c.Send(t.Context(), bob, "x", client.WithID("")),
		c.Send(t.Context(), bob, "x", client.WithID("ä")),
		c.Send(t.Context(), bob, "x", client.WithID(strings.Repeat("i", 65))),
		c.Send(t.Context(), bob, "x", client.WithTTL(0)),
	} {
		if err == nil {
			t.Error("no error")
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Send(ended, bob, "x"); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("send with an ended context: %v", err)
	}
	p.quiet(20 * time.Millisecond)
}

func TestSend_TooLargeIsNotWritten(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	if err := c.Send(t.Context(), bob, strings.Repeat("x", 128<<10)); !errors.Is(err, client.ErrMessageTooLarge) {
		t.Errorf("send: %v", err)
	}
	const frame = len(`{"type":"send","id":"i","to":"","payload":""}`) + protocol.UserIDLen
	sent := sending(c, t.Context(), bob, strings.Repeat("x", 128<<10-frame), client.WithID("i"))
	p.ack(p.want("send"))
	if err := outcome(t, sent); err != nil {
		t.Errorf("send at the limit: %v", err)
	}
}

// A server that closes over a message it did not announce a limit for must not get it for ever.
func TestSend_CloseForSizeSettlesTheLargest(t *testing.T) {
	for _, named := range []bool{false, true} {
		f := newFake(t)
		c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
		small := sending(c, t.Context(), bob, "small", client.WithID("s"))
		p.want("send")
		large := sending(c, t.Context(), bob, "large, comparatively", client.WithID("l"))
		l := p.want("send")
		if named {
			p.fail(l, protocol.CodeMessageTooLarge)
		}
		p.Close(1009, "")
		var e *client.Error
		if err := outcome(t, large); !errors.As(err, &e) || e.Code != "MESSAGE_TOO_LARGE" || e.ID != "l" {
			t.Errorf("send of the large one: %v", err)
		}
		p = f.acceptReady()
		got := p.want("send")
		if got.ID != "s" {
			t.Errorf("sent again: %+v", got)
		}
		p.ack(got)
		if err := outcome(t, small); err != nil {
			t.Errorf("send of the small one: %v", err)
		}
		finish(t, c)
	}
}

// An old complaint has nothing to do with how the connection ends later.
func TestSend_OldErrorIsNotTheReasonOfTheEnd(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
	defer finish(t, c)
	for _, end := range []func(){func() { p.message(1, "", "x"); p.cut() }, func() { p.Close(1001, "") }} {
		sent := sending(c, t.Context(), bob, "x")
		got := p.want("send")
		p.write(`{"type":"error","code":"MESSAGE_TOO_LARGE","error":"Message too large"}`)
		end()
		p = f.acceptReady()
		if again := p.want("send"); again != got {
			t.Errorf("sent again %+v, first %+v", again, got)
		}
		p.ack(got)
		if err := outcome(t, sent); err != nil {
			t.Errorf("send: %v", err)
		}
	}
}

func TestSend_ContextEnds(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond), client.WithOutbox(1))
	defer finish(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	sent := sending(c, ctx, bob, "written", client.WithID("1"))
	first := p.want("send")
	cancel()
	if err := outcome(t, sent); !errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Errorf("send: %v", err)
	}
	p.ack(first) // late: nobody waits for it
	// The caller repeats it, with the same id; what was given up is not written again by itself.
	again := sending(c, t.Context(), bob, "written", client.WithID("1"))
	if got := p.want("send"); got != first {
		t.Errorf("repeated as %+v", got)
	} else {
		p.ack(got)
	}
	if err := outcome(t, again); err != nil {
		t.Errorf("send: %v", err)
	}
	p.cut()
	f.acceptReady().quiet(20 * time.Millisecond)
}

func TestSend_ContextEndsUnwritten(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Hour, time.Hour))
	defer finish(t, c)
	p.cut()
	<-p.gone
	time.Sleep(50 * time.Millisecond) // the client has to notice, else it may have written
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Send(ctx, bob, "x"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("send: %v", err)
	}
}

func TestSend_SameIDInFlight(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	first := sending(c, t.Context(), bob, "x", client.WithID("1"))
	got := p.want("send")
	if err := c.Send(t.Context(), bob, "x", client.WithID("1")); !errors.Is(err, client.ErrInFlight) {
		t.Errorf("second: %v", err)
	}
	other := sending(c, t.Context(), carol, "x", client.WithID("1"))
	p.ack(p.want("send"))
	if err := outcome(t, other); err != nil {
		t.Errorf("the same id to another user: %v", err)
	}
	p.ack(got)
	if err := outcome(t, first); err != nil {
		t.Errorf("first: %v", err)
	}
}

func TestPost_ResendsInOrderWithTheSameIDs(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, time.Millisecond))
	defer finish(t, c)
	var receipts []*client.Receipt
	post := func(n int) {
		r, err := c.Post(t.Context(), bob, fmt.Sprint(n))
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	for n := range 10 {
		post(n)
	}
	for n := range 10 {
		if got := p.want("send"); n == 3 || n == 5 {
			p.ack(got)
			<-receipts[n].Done()
		}
	}
	p.cut()
	post(10) // joins behind the others, whether the client has noticed or not
	p = f.acceptReady()
	for _, n := range []int{0, 1, 2, 4, 6, 7, 8, 9, 10} {
		got := p.want("send")
		if got.Payload != fmt.Sprint(n) || got.ID != receipts[n].ID() {
			t.Fatalf("sent again %+v, want number %d", got, n)
		}
		if receipts[n].Err() != nil {
			t.Errorf("%d: %v", n, receipts[n].Err())
		}
		p.ack(got)
		if err := receipts[n].Wait(t.Context()); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	p.quiet(20 * time.Millisecond)
}

func TestPost_RespectsTheWindow(t *testing.T) {
	f := newFake(t)
	limits := protocol.DefaultLimits()
	limits.MaxUnacked = 4
	go func() {
		p := f.accept()
		p.write("%s", protocol.AppendReady(nil, must(protocol.ParseUserID(alice)), false, limits))
		f.peers <- p
	}()
	c, err := f.tryDial(alice, client.WithOutbox(8))
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	p := f.accept()
	for n := range 8 {
		if _, err := c.Post(t.Context(), bob, fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Post(ctx, bob, "no room"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("post to a full outbox: %v", err)
	}
	var sent []in
	for range 4 {
		sent = append(sent, p.want("send"))
	}
	p.quiet(20 * time.Millisecond)
	p.ack(sent[2])
	if got := p.want("send"); got.Payload != "4" {
		t.Errorf("sent %+v", got)
	}
	if _, err := c.Post(t.Context(), bob, "room"); err != nil {
		t.Errorf("post: %v", err)
	}
	p.quiet(20 * time.Millisecond)
}

func TestClose_EndsSends(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithOutbox(1))
	written := sending(c, t.Context(), bob, "x")
	p.want("send")
	waiting := sending(c, t.Context(), bob, "y")
	finish(t, c)
	if err := outcome(t, written); !errors.Is(err, client.ErrClosed) || !errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("written: %v", err)
	}
	if err := outcome(t, waiting); !errors.Is(err, client.ErrClosed) || errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("waiting: %v", err)
	}
	if err := c.Send(t.Context(), bob, "z"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after: %v", err)
	}
	if code := p.ended(); code != 1000 {
		t.Errorf("closed with %d", code)
	}
	if err := c.Err(); !errors.Is(err, client.ErrClosed) {
		t.Errorf("err: %v", err)
	}
	finish(t, c) // again
}

// While a server cannot be reached Sends wait, and go on when it is back.
func TestSend_WaitsForAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice)
		p.cut()
		synctest.Wait()
		sent := sending(c, t.Context(), bob, "x")
		p = f.acceptReady()
		p.ack(p.want("send"))
		if err := <-sent; err != nil {
			t.Errorf("send: %v", err)
		}
		finish(t, c)
		stop()
	})
}
