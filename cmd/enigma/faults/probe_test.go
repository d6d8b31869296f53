package faults_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// probe looks, once in a while, at what a fault of the store must not touch, and at what it must not hold up: a
// message to a user who is connected arrives, and one to a user who is away is answered.
type probe struct {
	t    testing.TB
	book *ledger.Ledger
	quit chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	live    latencies
	away    latencies
	answers map[string]int // to messages for the one who is away: "ack", or a code
}

// latencies is how long something took.
type latencies struct {
	count   int
	slowest time.Duration
}

func (l *latencies) add(took time.Duration) {
	l.count++
	l.slowest = max(l.slowest, took)
}

// prompt is the bound on what a probe looks at. The promise is a second; it is not measured here but told from
// "hangs until the store is back", on a machine that may be busy.
const prompt = 5 * time.Second

// between is the time from one look to the next.
const between = 30 * time.Millisecond

// newProbe logs its users in, connects all but one, and begins to look. Both parts of it have v1 senders: the ack of a
// live message is the recipient's Pong or recv, and needs no store.
func newProbe(t testing.TB, s *site, book *ledger.Ledger) *probe {
	t.Helper()
	p := &probe{t: t, book: book, quit: make(chan struct{}), answers: make(map[string]int)}
	ids := s.login("probe", 4)
	var conns [3]*wire.Conn
	for i := range conns {
		conn, err := wire.Dial(s.address(), "/ws/"+ids[i], subprotocol)
		if err != nil {
			t.Fatal(err)
		}
		if f := readV1(t, conn); f.Type != "ready" {
			t.Fatalf("%s came, want ready", f.Type)
		}
		conns[i] = conn
	}
	p.done.Go(func() { p.lookLive(ids[0], ids[1], conns[0], conns[1]) })
	p.done.Go(func() { p.lookAway(ids[2], ids[3], conns[2]) })
	t.Cleanup(p.stop)
	return p
}

// stop ends the looking.
func (p *probe) stop() {
	select {
	case <-p.quit:
	default:
		close(p.quit)
	}
	p.done.Wait()
}

// pause waits for the next look, and says whether there is one.
func (p *probe) pause() bool {
	select {
	case <-p.quit:
		return false
	case <-time.After(between):
		return true
	}
}

// lookLive sends to a user who is connected: it arrives, is confirmed, and the sender hears so.
func (p *probe) lookLive(from, to string, sender, recipient *wire.Conn) {
	defer sender.End()
	defer recipient.End()
	notes := p.book.Connected(to)
	for n := 0; p.pause(); n++ {
		begin := time.Now()
		id := fmt.Sprint("live ", n)
		p.send(from, to, id, sender)
		m := p.next(recipient, "message")
		if m == nil {
			return
		}
		notes.Received(m.From, m.To, m.ID, m.Payload, m.Seq)
		_ = recipient.WriteAll((&v1Frame{Type: "recv", Seq: m.Seq}).wire())
		f := p.next(sender, "ack")
		if f == nil {
			return
		}
		p.book.Acked(from, f.To, f.ID)
		p.mu.Lock()
		p.live.add(time.Since(begin))
		p.mu.Unlock()
	}
}

// lookAway sends to a user who is away: it is acknowledged or refused.
func (p *probe) lookAway(from, to string, sender *wire.Conn) {
	defer sender.End()
	for n := 0; p.pause(); n++ {
		begin := time.Now()
		id := fmt.Sprint("away ", n)
		p.send(from, to, id, sender)
		f := p.next(sender, "")
		if f == nil {
			return
		}
		answer := f.Type
		if f.Type == "ack" {
			p.book.Acked(from, f.To, f.ID)
		} else {
			p.book.Refused(from, f.To, f.ID, f.Code)
			answer = f.Code
		}
		p.mu.Lock()
		p.away.add(time.Since(begin))
		p.answers[answer]++
		p.mu.Unlock()
	}
}

func (p *probe) send(from, to, id string, conn *wire.Conn) {
	payload := ledger.Payload(id, 100)
	p.book.Sent(from, to, id, payload)
	_ = conn.WriteAll((&v1Frame{Type: "send", ID: id, To: to, Payload: payload}).wire()) // what is broken is read next
}

// next reads the next frame that is no drained. What does not come, or is another, ends the looking and the test.
func (p *probe) next(conn *wire.Conn, kind string) *v1Frame {
	conn.ReadBy(time.Now().Add(within))
	for {
		f, err := nextV1(conn)
		switch {
		case err != nil:
			p.t.Errorf("a probe waits for %q, and: %v", kind, err)
			return nil
		case f.Type == "drained":
			continue
		case kind != "" && f.Type != kind:
			p.t.Errorf("a probe waits for %q, and %+v comes", kind, *f)
			return nil
		}
		return f
	}
}

// answered returns how often a message to the one who is away got that answer so far.
func (p *probe) answered(with string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[with]
}

// delivered returns how many live messages have arrived so far.
func (p *probe) delivered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live.count
}

// judge ends the looking and says whether anything took too long.
func (p *probe) judge() {
	p.t.Helper()
	p.stop()
	p.t.Logf("live: %d delivered and acknowledged, the slowest in %s; to one who is away: %v, the slowest in %s",
		p.live.count, p.live.slowest.Round(time.Millisecond), p.answers, p.away.slowest.Round(time.Millisecond))
	if p.live.slowest > prompt {
		p.t.Errorf("a live message took %s", p.live.slowest)
	}
	if p.away.slowest > prompt {
		p.t.Errorf("the answer to a message for a user who is away took %s", p.away.slowest)
	}
}
