package faults_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// load is a set of v1 users who write to one another: some stay connected, some come and go, some are away all the
// time and get their mail in the end.
type load struct {
	t       testing.TB
	site    *site
	addr    func() string // of the site, or of a proxy before it
	book    *ledger.Ledger
	players []*player
	away    []string

	quiet   atomic.Bool
	quit    chan struct{}
	running sync.WaitGroup
	began   time.Time
}

// crowd says who takes part in a load.
type crowd struct {
	name                   string // in their keys
	steady, flapping, away int
	rate                   int // messages per second, all together
	size                   int // bytes of a payload
}

// usual is a load of over 2,000 messages per second, of half as many under the race detector.
var usual = crowd{steady: 4, flapping: 4, away: 3, rate: 2600 / min(slowdown, 2), size: 200}

// newLoad logs the users in. Everybody writes to everybody, to himself too.
func newLoad(t testing.TB, s *site, c crowd) *load {
	t.Helper()
	l := &load{t: t, site: s, addr: s.address, book: ledger.New(), quit: make(chan struct{})}
	steady, flapping := s.login(c.name+"steady", c.steady), s.login(c.name+"flapping", c.flapping)
	l.away = s.login(c.name+"away", c.away)
	all := slices.Concat(steady, flapping, l.away)
	for i, id := range slices.Concat(steady, flapping) {
		p := &player{
			id: id, book: l.book, addr: func() string { return l.addr() }, to: all,
			rate: c.rate / (c.steady + c.flapping), size: c.size, quiet: &l.quiet, quit: l.quit,
		}
		if i >= c.steady {
			p.life = 300 * time.Millisecond
		}
		l.players = append(l.players, p)
	}
	t.Cleanup(l.stop)
	return l
}

// start sets the players going.
func (l *load) start() {
	l.began = time.Now()
	for _, p := range l.players {
		l.running.Go(p.play)
	}
}

// stop ends the players, whatever is under way.
func (l *load) stop() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.running.Wait()
}

// settle lets nothing new be sent, waits until everything has its answer, and ends the players.
func (l *load) settle() {
	l.t.Helper()
	l.quiet.Store(true)
	deadline := time.Now().Add(within)
	for waiting := -1; waiting != 0; time.Sleep(5 * time.Millisecond) {
		waiting = 0
		for _, p := range l.players {
			waiting += p.waiting()
		}
		if time.Now().After(deadline) {
			l.t.Errorf("%d messages have not been answered in %s, with the server up and their senders connected", waiting, within)
			for _, p := range l.players {
				p.tellWaiting(l.t)
			}
			break
		}
	}
	l.stop()
}

// finish ends the players, gives everybody what is left for him, and judges.
func (l *load) finish() *ledger.Verdict {
	l.t.Helper()
	l.stop()
	took := time.Since(l.began)
	for _, p := range l.players {
		collect(l.t, l.addr(), l.book, p.id)
	}
	for _, id := range l.away {
		collect(l.t, l.addr(), l.book, id)
	}
	v := l.book.Judge()
	conns := 0
	for _, p := range l.players {
		conns += p.conns
	}
	l.t.Logf("%s; %.0f messages/s over %s, %d connections", v.Count, float64(v.Count.Messages)/took.Seconds(), took.Round(time.Millisecond), conns)
	return v
}

// check settles and finishes, and everything must be well.
func (l *load) check() {
	l.t.Helper()
	l.settle()
	if v := l.finish(); !v.OK() {
		l.t.Error(v)
	}
}

// collect connects a user, confirms all it gets, and returns when it has got all there was: everything to one user has
// one order, so a message to itself comes behind it. A server that has just got its store back may still say that the
// mail cannot be read now; that is asked again, as a client does.
func collect(t testing.TB, addr string, book *ledger.Ledger, id string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := tryCollect(addr, book, id)
		closed := closedError(0)
		switch {
		case err == nil:
			return
		case !errors.As(err, &closed) || closed != 1013 || time.Now().After(deadline):
			t.Fatalf("the mail of %.8s: %v", id, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tryCollect is one attempt of collect.
func tryCollect(addr string, book *ledger.Ledger, id string) error {
	conn, err := wire.Dial(addr, "/ws/"+id, subprotocol)
	if err != nil {
		return err
	}
	defer conn.End()
	conn.ReadBy(time.Now().Add(enigmatest.Pick(within, 10*time.Minute)))
	notes := book.Connected(id)
	marker, unsaid := fmt.Sprint("end ", time.Now().UnixNano()), 0
	mark := func() {
		_ = conn.WriteAll((&v1Frame{Type: "send", ID: marker, To: id, Payload: marker}).wire()) // what is broken is read
	}
	for drained, marked, refused := false, false, false; !drained || !marked; {
		f, err := nextV1(conn)
		if err != nil {
			return err
		}
		switch f.Type {
		case "ready":
			mark()
		case "error": // a full mailbox takes it when what is in it has come
			if refused = true; drained {
				mark()
			}
		case "drained":
			if drained = true; refused {
				mark()
			}
		case "message":
			if f.From == id && strings.HasPrefix(f.ID, "end ") { // or that of an earlier attempt
				marked = marked || f.ID == marker
				_ = conn.WriteAll((&v1Frame{Type: "recv", Seq: f.Seq}).wire())
				continue
			}
			if f.ID == "" {
				f.ID = ledger.ID(f.Payload)
			}
			notes.Received(f.From, f.To, f.ID, f.Payload, f.Seq)
			if unsaid++; conn.Idle() || unsaid >= 64 {
				unsaid = 0
				_ = conn.WriteAll((&v1Frame{Type: "recv", Seq: f.Seq}).wire())
			}
		}
	}
	return nil
}

// readV1 reads the next frame of the v1 profile.
func readV1(t testing.TB, conn *wire.Conn) *v1Frame {
	t.Helper()
	conn.ReadBy(time.Now().Add(within))
	f, err := nextV1(conn)
	if err != nil {
		t.Fatalf("the connection ended: %v", err)
	}
	return f
}

// nextV1 reads until a text comes, and answers Pings meanwhile.
func nextV1(conn *wire.Conn) (*v1Frame, error) {
	for {
		op, text, err := conn.Read()
		switch {
		case err != nil:
			return nil, err
		case op == wire.Ping:
			_ = conn.Write(wire.Pong, text) // a broken connection is found by reading
		case op == wire.Close:
			return nil, closedError(wire.CloseStatus(text))
		default:
			f := &v1Frame{}
			if err := json.Unmarshal(text, f); err != nil {
				return nil, fmt.Errorf("%w in %q", err, text)
			}
			return f, nil
		}
	}
}

// closedError is the status of a Close that the server sent.
type closedError int

func (e closedError) Error() string { return fmt.Sprintf("the server closed with %d", int(e)) }
