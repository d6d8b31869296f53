package actors_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// Each test here has code of the host panic, and looks at everybody else.

// bomb is a conn that panics in some of its methods while armed.
type bomb struct {
	*conn
	in    string // names of methods
	armed atomic.Bool
}

func (b *bomb) blow(method string) {
	if b.armed.Load() && strings.Contains(b.in, method) {
		panic("conn exploded in " + method)
	}
}

func (b *bomb) Write(p []byte) (int, error) {
	b.blow("Write")
	return b.conn.Write(p)
}

func (b *bomb) Pause() {
	b.blow("Pause")
	b.conn.Pause()
}

func (b *bomb) Resume() {
	b.blow("Resume")
	b.conn.Resume()
}

func (b *bomb) Close(code protocol.CloseCode, last []byte, accept bool) {
	b.blow("Close")
	b.conn.Close(code, last, accept)
}

// plant attaches a bomb that is not armed yet.
func plant(t *testing.T, b *actors.Broker, id protocol.UserID, in string, setup ...func(*conn)) *bomb {
	t.Helper()
	x := &bomb{in: in}
	x.conn = newConn(t, b, id, setup...)
	x.conn.join(b, x)
	x.conn.await("attach", func() bool { return x.conn.ready })
	return x
}

func TestPanic_InAnyMethodOfAConnEndsItsUserOnly(t *testing.T) {
	for _, in := range []string{"Write", "Pause", "Resume", "Close", "Write Close", "Pause Close", "Resume Close"} {
		t.Run(in, func(t *testing.T) {
			var log lockedBuffer
			store := newFaulty()
			delivery := actors.DefaultDelivery()
			delivery.CreditMessages = 4
			b := newBroker(t, store, actors.WithDelivery(delivery), actors.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			alice, bob, carol, dave := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol"), login(t, b, "dave")
			other, witness := attach(t, b, alice), attach(t, b, carol)
			x := plant(t, b, bob, in, mute)
			other.send(bob, "unconfirmed")
			x.next()
			x.armed.Store(true)
			x.provoke(other, dave, store)
			other.send(carol, "still here")
			expect(t, witness.next(), message(alice, carol, "still here"))
			for in != "Close" && b.Stats().Panics == 0 { // a Resume comes when the store has answered
			}
			if !strings.Contains(in, "Close") {
				x.await("the end of the conn that panicked", func() bool { return x.gone })
			}
			c := attach(t, b, bob)
			expect(t, c.next(), message(alice, bob, "unconfirmed"))
			if n := b.Stats().Panics; n == 0 || n > 2 {
				t.Errorf("%d panics counted", n)
			}
			if !strings.Contains(log.String(), "conn exploded in ") {
				t.Errorf("logged: %s", log.String())
			}
			if n := b.Stats().Stalled; n != 0 {
				t.Errorf("%d conns are stalled", n)
			}
			c.drop()
			if err := shutdown(t, b); err != nil {
				t.Error(err)
			}
		})
	}
}

// provoke has the broker call the method that panics; Close is for the next conn to provoke.
func (x *bomb) provoke(from *conn, away protocol.UserID, store *storetest.Faulty) {
	if strings.HasPrefix(x.in, "Write") {
		from.send(x.id, "one more")
	}
	if !strings.HasPrefix(x.in, "Pause") && !strings.HasPrefix(x.in, "Resume") {
		return
	}
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Append)
	x.do(func() { // as much as the credit allows, and no outcome yet
		for range 4 {
			x.link.Submit(&actors.Submission{To: away, Payload: []byte("x"), Size: 1})
		}
	})
	store.Heal()
	close(hold)
}

// explosive panics in the next call of one method of the store.
type explosive struct {
	actors.Store
	in atomic.Value // string
}

func (e *explosive) blow(method string) {
	if e.in.CompareAndSwap(method, "") {
		panic("store exploded in " + method)
	}
}

func (e *explosive) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	e.blow("PutKeys")
	return e.Store.PutKeys(ctx, keys, errs)
}

func (e *explosive) Keys(ctx context.Context, users []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	e.blow("Keys")
	return e.Store.Keys(ctx, users, keys, errs)
}

func (e *explosive) Lock(ctx context.Context, users []protocol.UserID, errs []error) error {
	e.blow("Lock")
	return e.Store.Lock(ctx, users, errs)
}

func (e *explosive) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	e.blow("Append")
	return e.Store.Append(ctx, pending, errs)
}

func (e *explosive) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	e.blow("Read")
	return e.Store.Read(ctx, requests, pages)
}

func (e *explosive) Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error {
	e.blow("Confirm")
	return e.Store.Confirm(ctx, confirmed, errs)
}

func (e *explosive) Expire(ctx context.Context, now int64, limit int) (int, error) {
	e.blow("Expire")
	return e.Store.Expire(ctx, now, limit)
}

func (e *explosive) Ceiling(ctx context.Context, raise uint64) (uint64, error) {
	e.blow("Ceiling")
	return e.Store.Ceiling(ctx, raise)
}

func (e *explosive) Ping(ctx context.Context) error {
	e.blow("Ping")
	return e.Store.Ping(ctx)
}

// Whatever method of the store panics, it is as if the outcome of that call were unknown.
func TestPanic_InAnyMethodOfTheStoreIsOneFailedCall(t *testing.T) {
	for _, in := range []string{"PutKeys", "Keys", "Lock", "Append", "Read", "Confirm", "Expire", "Ceiling", "Ping"} {
		t.Run(in, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lockedBuffer
				store := &explosive{Store: newMemory()}
				store.in.Store("")
				b := newBroker(t, store, actors.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				alice, bob := login(t, b, "alice"), login(t, b, "bob")
				a := attach(t, b, alice)
				a.send(bob, "before")
				time.Sleep(time.Second) // simulated
				store.in.Store(in)
				b.Login(t.Context(), []byte("carol"))
				b.PublicKey(t.Context(), alice)
				b.Ready(t.Context())
				if s, err := b.Connect(t.Context(), bob, actors.ReceiverOptions{Proven: true}); err == nil {
					if m, err := s.Receive(t.Context()); err == nil {
						m.Confirm()
					}
					s.Close()
				}
				carol := protocol.NewUserID([]byte("carol"))
				b.Submit(t.Context(), actors.Envelope{From: alice, To: carol, Payload: "x"})
				time.Sleep(11 * time.Minute) // the ceiling is raised, what has expired is deleted

				if left := store.in.Load(); left != "" {
					t.Fatalf("%s was never called", left)
				}
				if n := b.Stats().Panics; n != 1 || !strings.Contains(log.String(), "store exploded in "+in) {
					t.Errorf("%d panics counted; logged: %s", n, log.String())
				}
				if err := b.Ready(t.Context()); err != nil || b.Stats().StoreDown {
					t.Errorf("not ready again: %v", err)
				}
				dave := login(t, b, "dave")
				a = attach(t, b, alice)
				a.send(dave, "after")
				c := attach(t, b, dave)
				expect(t, c.next(), message(alice, dave, "after"))
			})
		})
	}
}

func TestPanic_AtTheStartIsAnError(t *testing.T) {
	store := &explosive{Store: newMemory()}
	store.in.Store("Ceiling")
	if _, err := actors.New(actors.WithStore(store)); !errors.Is(err, persistence.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
}

func TestPanic_OfAnOutcomesFunctionHarmsNobody(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithLogger(quiet()))
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	for i := range 3 {
		b.SubmitFunc(actors.Envelope{From: alice, To: bob, Payload: fmt.Sprint(i)}, func(error) { panic("outcome exploded") })
	}
	if err := submit(t, b, actors.Envelope{From: alice, To: bob, Payload: "3"}); err != nil {
		t.Fatal(err)
	}
	if n := b.Stats().Panics; n != 3 {
		t.Errorf("%d panics counted", n)
	}
	s := open(t, b, bob)
	for i := range 4 {
		if m := receive(t, s); m.Payload != fmt.Sprint(i) {
			t.Errorf("received %+v", m)
		}
	}
}

// poller waits as the default one does, and panics once it is told to.
type poller struct {
	wake  chan struct{}
	armed atomic.Bool
}

func (p *poller) Wait(timeout time.Duration) {
	if p.armed.Swap(false) {
		panic("poller exploded")
	}
	select {
	case <-p.wake:
	case <-time.After(timeout):
	}
}

func (p *poller) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *poller) Close() error { return nil }

// Jobs, timers and pollers of a front end are its own affair; the shard and its users go on.
func TestPanic_OfAFrontEndLeavesTheShardRunning(t *testing.T) {
	p := &poller{wake: make(chan struct{}, 1)}
	b := newBroker(t, newMemory(), actors.WithLogger(quiet()),
		actors.WithPoller(func(*actors.Shard) (actors.Poller, error) { return p, nil }))
	c := attach(t, b, login(t, b, "bob"))
	explode := job(func() { panic("job exploded") })
	timer := actors.Timer{Fire: explode}
	for name, provoke := range map[string]func(){
		"job":        func() { c.shard.Post(explode) },
		"after turn": func() { c.do(func() { c.shard.AfterTurn(explode) }) },
		"timer":      func() { c.do(func() { c.shard.Set(&timer, 0) }) },
		"poller":     func() { p.armed.Store(true); p.Wake() },
	} {
		before := b.Stats().Panics
		provoke()
		for b.Stats().Panics == before {
		}
		second := make(chan struct{})
		c.do(func() {
			c.shard.AfterTurn(job(func() { close(second) }))
		})
		<-second
		c.send(c.id, name)
		expect(t, c.next(), message(c.id, c.id, name))
	}
}

// A conn that blocks its shard holds a shutdown up, but not for ever.
func TestShutdown_EndsThoughAShardIsBlocked(t *testing.T) {
	b, err := actors.New(actors.WithStore(newMemory()))
	if err != nil {
		t.Fatal(err)
	}
	block, begun := make(chan struct{}), make(chan struct{})
	b.ShardFor(protocol.UserID{}).Post(job(func() {
		close(begun)
		<-block
	}))
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "1 shards") {
		t.Errorf("got %v", err)
	}
	close(block)
}
