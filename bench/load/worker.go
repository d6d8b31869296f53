package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// perAddress is how many connections in a row come from one address.
const perAddress = 1000

// behaviour is what a mode does about what happens to its users. All of it runs on the worker's goroutine.
type behaviour interface {
	ready(c *Conn)                     // the server has the user
	message(c *Conn, f *flow, t int64) // a message has come that was sent at t, for the first time
	acked(f *flow, seq uint64)         // the server has taken a message over
	refused(f *flow)                   // or has not
	drained(c *Conn)
	closed(u *User) // the connection has ended as it should
	turn()          // once per turn
}

// passive does nothing; the modes embed it and say what they do.
type passive struct{}

func (passive) ready(*Conn)                 {}
func (passive) message(*Conn, *flow, int64) {}
func (passive) acked(*flow, uint64)         {}
func (passive) refused(*flow)               {}
func (passive) drained(*Conn)               {}
func (passive) closed(*User)                {}
func (passive) turn()                       {}

// worker drives a share of the users on one goroutine. One turn:
//
//  1. wait; what has come is parsed, judged, and may be answered at once
//  2. the mode sends what is due
//  3. one write per connection with something to send
type worker struct {
	run     *run
	index   int
	dialect Dialect
	net     network
	host    string
	target  netip.AddrPort
	now     int64 // nanoseconds since the run began, read once per connection and turn
	keys    uint32
	users   []*User
	dirty   []*Conn
	mode    behaviour
	ledger
	dialer
	hurry   bool   // somebody can send at once: do not wait
	total   uint64 // messages to send
	window  window
	latency Histogram // of what came within the window
	moments []int64   // when to read the meters; a timer of its own would be late on a machine that is full
	meters  []meter
	live    live
}

// window is the stretch of the run whose latencies count.
type window struct{ from, to int64 }

func (w *window) holds(t int64) bool { return t >= w.from && t < w.to }

// dialer connects users, a bounded number at a time.
type dialer struct {
	queue     []*User
	bound     int
	loginOnly bool // close the connection when the login is through
	underway  int
	dials     int
	open      int       // connections that are ready
	finished  int       // connections that got ready, were logged in only, or failed
	failed    int       // of them
	connects  Histogram // from the TCP handshake to ready
}

// key returns a mask key.
func (w *worker) key() uint32 {
	w.keys = w.keys*1664525 + 1013904223
	return w.keys
}

func (w *worker) clock() int64 {
	w.now = int64(time.Since(w.run.began))
	return w.now
}

// turn does one round. It waits at most so long for something to happen.
func (w *worker) turn(limit time.Duration) error {
	if w.hurry {
		limit = 0
	}
	if err := w.net.wait(limit); err != nil {
		return err
	}
	w.clock()
	w.hurry = false
	w.mode.turn()
	w.dialSome()
	for i := 0; i < len(w.dirty); i++ { // a write that fails may make others dirty
		w.dirty[i].flush()
		w.dirty[i] = nil
	}
	w.dirty = w.dirty[:0]
	w.live.publish(w)
	if len(w.moments) > 0 && w.now >= w.moments[0] {
		w.moments = w.moments[1:]
		w.meters = append(w.meters, w.run.meter())
	}
	return nil
}

// idleWait bounds a wait with nothing due, so that the end of the run is not missed.
const idleWait = 50 * time.Millisecond

// errPatience is the end of a wait for something that should have happened.
var errPatience = errors.New("nothing happens any more")

// until turns until done says so. It gives up when progress returns the same number for as long as patience.
func (w *worker) until(ctx context.Context, patience time.Duration, progress func() uint64, done func() bool) error {
	last, since := progress(), w.clock()
	for !done() {
		if err := w.turn(idleWait); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if n := progress(); n != last {
			last, since = n, w.now
		} else if w.now-since > int64(patience) {
			return errPatience
		}
	}
	return nil
}

// connect connects all users given, or only logs them in, and waits until it is done.
func (w *worker) connect(ctx context.Context, users []*User, loginOnly bool) error {
	w.queue, w.loginOnly = users, loginOnly
	w.finished, w.failed = 0, 0
	total := len(users)
	err := w.until(ctx, w.run.cfg.Patience, func() uint64 { return uint64(w.finished) },
		func() bool { return w.finished == total || w.failed > perAddress && w.failed == w.finished })
	if err == nil && w.failed == w.finished && total > 0 {
		return fmt.Errorf("nobody could connect: %s", w.faults.examples[faultConnection])
	}
	if errors.Is(err, errPatience) {
		return fmt.Errorf("%d of %d users connected: %w", w.finished, total, err)
	}
	return err
}

// dialSome begins what connections the bound allows.
func (w *worker) dialSome() {
	for len(w.queue) > 0 && w.underway < w.bound {
		u := w.queue[0]
		w.queue = w.queue[1:]
		c := &Conn{User: u, worker: w, dialect: w.dialect, begun: w.clock()}
		u.conn = c
		w.underway++
		from := w.source()
		w.dials++
		if err := w.net.dial(c, from, w.target); err != nil {
			c.stage, u.conn = stageGone, nil
			w.underway--
			w.failedToConnect(c, err)
		}
	}
}

// source returns the address that the next connection comes from. A server on loopback sees users from many, which
// is as near to a crowd as one machine gets, and each has ports of its own.
func (w *worker) source() netip.Addr {
	if !w.target.Addr().Is4() || !w.target.Addr().IsLoopback() {
		return netip.Addr{}
	}
	n := w.dials/perAddress*len(w.run.workers) + w.index
	return netip.AddrFrom4([4]byte{127, 0, byte(n / 250 % 250), byte(1 + n%250)})
}

// loggedIn goes on after a login.
func (w *worker) loggedIn(c *Conn) {
	c.User.known = true
	if w.loginOnly {
		w.connects.Add(time.Duration(w.clock() - c.begun))
		w.finished++
		w.drop(c)
		return
	}
	c.upgrade()
}

// Ready implements [Events].
func (w *worker) Ready(c *Conn) {
	if c.stage != stageGreeting {
		return
	}
	c.stage = stageOpen
	w.connects.Add(time.Duration(w.clock() - c.begun))
	w.underway--
	w.open++
	w.finished++
	w.mode.ready(c)
}

// Message implements [Events].
func (w *worker) Message(c *Conn, m *Message) {
	f, sentAt := w.receive(c.User, m)
	if f == nil {
		return
	}
	if w.window.holds(w.now) {
		w.latency.Add(time.Duration(w.now - sentAt))
	}
	w.mode.message(c, f, sentAt)
}

// Acked implements [Events].
func (w *worker) Acked(c *Conn, id MessageID) {
	if f := w.ack(c.User, id); f != nil {
		w.mode.acked(f, id.Seq)
	}
}

// Refused implements [Events].
func (w *worker) Refused(c *Conn, code string, to []byte) {
	if f := w.refuse(c.User, code, to); f != nil {
		w.mode.refused(f)
	}
}

// Drained implements [Events].
func (w *worker) Drained(c *Conn) { w.mode.drained(c) }

// send sends the next message of a flow, stamped with the time t.
func (w *worker) send(f *flow, t int64) {
	if c := f.from.conn; c != nil && c.stage == stageOpen {
		payload := w.stamp(f, t)
		c.dialect.Send(c, f.to, MessageID{Flow: f.index, Seq: f.sent}, payload)
	}
}

// drop closes a connection without a word.
func (w *worker) drop(c *Conn) {
	if c.stage == stageOpen {
		w.open--
	} else if c.stage < stageOpen {
		w.underway--
	}
	w.net.hangUp(c)
	c.stage = stageGone
	if c.User.conn == c {
		c.User.conn = nil
	}
}

// leave closes a connection in order.
func (w *worker) leave(c *Conn) {
	if c.stage == stageOpen {
		c.leave()
		w.open--
	}
}

// closed is the end of a connection that we closed.
func (w *worker) closed(c *Conn) {
	w.drop(c)
	w.mode.closed(c.User)
}

// faultConnection is the kind of fault of a connection that ends otherwise.
const faultConnection = "connections lost"

// lost is the end of a connection that we did not close.
func (w *worker) lost(c *Conn, err error) {
	switch c.stage {
	case stageGone:
		return
	case stageClosing:
		w.closed(c)
		return
	}
	wasOpen := c.stage == stageOpen
	w.drop(c)
	if wasOpen {
		w.faults.note(faultConnection, "user %d: %v", c.User.Index, err)
		return
	}
	w.failedToConnect(c, err)
}

// failedToConnect notes that a connection did not come about.
func (w *worker) failedToConnect(c *Conn, err error) {
	w.finished++
	w.failed++
	w.faults.note(faultConnection, "user %d: %v", c.User.Index, err)
}

// leaveAll closes all connections in order and waits for it.
func (w *worker) leaveAll(ctx context.Context) error {
	waiting := 0
	for _, u := range w.users {
		if u.conn != nil {
			w.leave(u.conn)
			waiting++
		}
	}
	open := func() (n uint64) {
		for _, u := range w.users {
			if u.conn != nil {
				n++
			}
		}
		return n
	}
	err := w.until(ctx, w.run.cfg.Patience, open, func() bool { return open() == 0 })
	if errors.Is(err, errPatience) {
		w.faults.add("not closed", open(), "%d of %d connections did not end within %s of their Close", open(), waiting, w.run.cfg.Patience)
		return nil
	}
	return err
}
