package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
)

// dialKey connects a user to a real server.
func dialKey(t testing.TB, url, key string, opts ...client.Option) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.DialKey(ctx, url, key, opts...)
	if err != nil {
		t.Fatalf("dial as %s: %v", key, err)
	}
	return c
}

func TestBroker_LoginAndPublicKey(t *testing.T) {
	n := newNode(t)
	for _, key := range keys {
		id, err := client.Login(t.Context(), n.url(), key)
		if err != nil || id != idOf(key) {
			t.Errorf("login of %.20q: %s, %v", key, id, err)
			continue
		}
		if got, err := client.PublicKey(t.Context(), n.url(), id); err != nil || got != key {
			t.Errorf("public key of %.20q: %.20q, %v", key, got, err)
		}
	}
	if _, err := client.PublicKey(t.Context(), n.url(), carol); !errors.Is(err, client.ErrUserNotFound) {
		t.Errorf("public key of nobody: %v", err)
	}
	if _, err := client.Dial(t.Context(), n.url(), carol); !errors.Is(err, client.ErrUserNotFound) {
		t.Errorf("dial as nobody: %v", err)
	}
}

func TestBroker_Conversation(t *testing.T) {
	n := newNode(t)
	a := dialKey(t, n.url(), "alice", client.RequireV1())
	b := dialKey(t, n.url(), "bob")
	defer finish(t, b)
	<-a.Drained()
	for i, payload := range []string{"hello", "", "\x00\"\\\u2028\U0001F512", strings.Repeat("ö", 50_000)} {
		sent := sending(a, t.Context(), bob, payload, client.WithID(fmt.Sprint("m", i)))
		m := receive(t, b)
		if m.From != alice || m.To != bob || m.Payload != payload || m.ID != fmt.Sprint("m", i) || m.Seq == 0 ||
			time.Since(m.Time).Abs() > time.Minute {
			t.Errorf("received %+v", m)
		}
		m.Confirm() // which is what makes it safe
		if err := outcome(t, sent); err != nil {
			t.Errorf("send: %v", err)
		}
	}
	if err := a.Send(t.Context(), carol, "x"); !errors.Is(err, client.ErrUserNotFound) {
		t.Errorf("send to nobody: %v", err)
	}
	if err := a.Send(t.Context(), bob, "another", client.WithID("m0")); !errors.Is(err, client.ErrIDConflict) {
		t.Errorf("send with a used id: %v", err)
	}
	if err := a.Send(t.Context(), bob, "hello", client.WithID("m0")); err != nil {
		t.Errorf("repeat: %v", err)
	}
	nothing(t, b)
	if err := a.Send(t.Context(), bob, strings.Repeat("x", 200_000)); !errors.Is(err, client.ErrMessageTooLarge) {
		t.Errorf("send of too much: %v", err)
	}
	second := dialKey(t, n.url(), "alice")
	defer finish(t, second)
	<-a.Done()
	if !errors.Is(a.Err(), client.ErrReplaced) {
		t.Errorf("replaced: %v", a.Err())
	}
}

func TestBroker_StoredMailAndLastSeq(t *testing.T) {
	n := newNode(t)
	if _, err := client.Login(t.Context(), n.url(), "bob"); err != nil {
		t.Fatal(err)
	}
	a := dialKey(t, n.url(), "alice")
	defer finish(t, a)
	for i := range 20 {
		if err := a.Send(t.Context(), bob, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	b := dialKey(t, n.url(), "bob")
	for i := range 10 {
		if m := receive(t, b); m.Payload != fmt.Sprint(i) {
			t.Fatalf("received %+v", m)
		} else if i < 5 {
			m.Confirm()
		} else if i == 9 {
			m.Confirm() // out of order: of no effect
		}
	}
	seq := b.Confirmed()
	finish(t, b)
	b = dialKey(t, n.url(), "bob", client.WithLastSeq(seq))
	for i := 5; i < 20; i++ {
		m := receive(t, b)
		if m.Payload != fmt.Sprint(i) {
			t.Fatalf("received %+v", m)
		}
		m.Confirm()
	}
	<-b.Drained()
	sent := sending(a, t.Context(), bob, "live")
	receive(t, b).Confirm()
	if err := outcome(t, sent); err != nil { // so the server has the confirm, and with it those before
		t.Fatal(err)
	}
	finish(t, b)
	b = dialKey(t, n.url(), "bob")
	<-b.Drained()
	nothing(t, b)
	finish(t, b)
}

// What was confirmed right before Close is confirmed.
func TestBroker_CloseConfirms(t *testing.T) {
	n := newNode(t)
	if _, err := client.Login(t.Context(), n.url(), "bob"); err != nil {
		t.Fatal(err)
	}
	a := dialKey(t, n.url(), "alice")
	defer finish(t, a)
	for round := range 20 {
		if err := a.Send(t.Context(), bob, fmt.Sprint(round)); err != nil {
			t.Fatal(err)
		}
		b := dialKey(t, n.url(), "bob")
		m := receive(t, b)
		if m.Payload != fmt.Sprint(round) {
			t.Errorf("received %q in round %d", m.Payload, round)
		}
		m.Confirm()
		finish(t, b)
	}
}

// traffic is two users who write to each other, and what has to be true of it in the end.
type traffic struct {
	t    *testing.T
	each int
	done sync.WaitGroup
}

const theEnd = "the end"

// users has each of two write to the other, and receive what the other writes.
func (tr *traffic) users(a, b *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	var all sync.WaitGroup
	for _, way := range []struct{ from, to *client.Client }{{a, b}, {b, a}} {
		refused := make(chan map[int]bool, 1)
		all.Go(func() { refused <- tr.post(ctx, way.from, way.to.ID()) })
		all.Go(func() {
			received := tr.take(ctx, way.to, way.from.ID())
			tr.compare(received, <-refused)
		})
	}
	tr.done.Go(func() { all.Wait(); cancel() })
}

// post sends the numbers in order, many at a time, and returns those that the server refused: its store may be too slow.
func (tr *traffic) post(ctx context.Context, c *client.Client, to string) map[int]bool {
	var receipts []*client.Receipt
	for i := range tr.each {
		r, err := c.Post(ctx, to, fmt.Sprint(i))
		if err != nil {
			tr.t.Errorf("post %d: %v", i, err)
			break
		}
		receipts = append(receipts, r)
		if i%8 == 0 {
			time.Sleep(time.Millisecond) // spread over the troubles
		}
	}
	refused := make(map[int]bool)
	for i, r := range receipts {
		if err := r.Wait(ctx); errors.Is(err, client.ErrStoreUnavailable) {
			refused[i] = true
		} else if err != nil {
			tr.t.Errorf("message %d: %v", i, err)
		}
	}
	for err := error(client.ErrStoreUnavailable); errors.Is(err, client.ErrStoreUnavailable); {
		if err = c.Send(ctx, to, theEnd); err != nil {
			tr.t.Logf("the end: %v", err)
		}
	}
	return refused
}

// take receives up to the end, and checks the order.
func (tr *traffic) take(ctx context.Context, c *client.Client, from string) map[int]bool {
	received := make(map[int]bool)
	var held []*client.Message
	for last := -1; ; {
		begin := time.Now()
		m, err := c.Receive(ctx)
		if err != nil {
			tr.t.Errorf("receiving after %d: %v, after %v in which nothing came", last, err, time.Since(begin))
			return received
		}
		if held = append(held, m); len(held) > rand.IntN(20) || m.Payload == theEnd {
			rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			for _, m := range held {
				m.Confirm()
			}
			held = nil
		}
		if m.Payload == theEnd {
			return received
		}
		n, err := strconv.Atoi(m.Payload)
		if err != nil || n <= last || m.From != from {
			tr.t.Errorf("received %q after %d (seq %d, id %s)", m.Payload, last, m.Seq, m.ID)
		}
		received[n], last = true, n
	}
}

// compare checks that all that was not refused has come, and nothing else.
func (tr *traffic) compare(received, refused map[int]bool) {
	for i := range tr.each {
		if received[i] == refused[i] {
			tr.t.Errorf("%d: received %v, refused %v", i, received[i], refused[i])
			return
		}
	}
	if len(refused) > 0 {
		tr.t.Logf("%d refused", len(refused))
	}
}

// trouble makes trouble a number of times, or until the traffic is over, with a pause before each.
func (tr *traffic) trouble(times int, pause time.Duration, makeIt func(round int)) {
	over := make(chan struct{})
	go func() { tr.done.Wait(); close(over) }()
	for round := range times {
		select {
		case <-time.After(pause):
			makeIt(round)
		case <-over:
			if round < 3 {
				tr.t.Errorf("over after %d troubles: too soon to show anything", round)
			}
			return
		}
	}
	<-over
}

// check looks for what may not be there after all is confirmed.
func (tr *traffic) check(clients ...*client.Client) {
	for _, c := range clients {
		nothing(tr.t, c)
		finish(tr.t, c)
	}
}

// Connections break and the server restarts while two users write to each other: nothing is lost, the order is kept,
// and nothing is surfaced twice.
func TestBroker_BrokenConnectionsAndRestarts(t *testing.T) {
	n := newNode(t)
	var br breaker
	a := dialKey(t, n.url(), "alice", br.option(), impatient())
	b := dialKey(t, n.url(), "bob", br.option(), impatient())
	tr := &traffic{t: t, each: 2000}
	tr.users(a, b)
	tr.trouble(25, 25*time.Millisecond, func(round int) {
		br.breakAll()
		// Seldom: a client that meets a server on its way out is told to stay away for seconds.
		if round == 5 || round == 20 {
			if err := n.stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
			if err := n.start(); err != nil {
				t.Errorf("start: %v", err)
			}
		}
	})
	tr.check(a, b)
}

// The same with a server that is killed: what it acknowledged it has, what it did not is sent again. The pauses are short
// enough for a server to be killed before anything new has come through.
func TestBroker_Killed(t *testing.T) {
	srv := newChild(t)
	var br breaker
	a := dialKey(t, "http://"+srv.addr, "alice", br.option(), impatient())
	b := dialKey(t, "http://"+srv.addr, "bob", br.option(), impatient())
	tr := &traffic{t: t, each: 5000}
	tr.users(a, b)
	tr.trouble(24, 0, func(int) {
		time.Sleep(time.Duration(5+rand.IntN(60)) * time.Millisecond)
		srv.kill()
		srv.start()
		br.breakAll()
	})
	tr.check(a, b)
}
