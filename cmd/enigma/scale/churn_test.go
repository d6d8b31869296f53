package scale_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// TestChurn_LeavesNothingBehind has users come, each with a message for another, and go, in every way in which
// connections end. Nothing acknowledged may be lost, nothing may come to the wrong user, and at the end the server holds
// no more files, goroutines and memory than it did when the first part was over.
func TestChurn_LeavesNothingBehind(t *testing.T) {
	t.Parallel() // it mostly waits for actors to end
	const workers = 100
	parts := enigmatest.Pick(2, 10) // after each of which the footprint is looked at
	visits := enigmatest.Pick(5000, 1_000_000)
	s := enigmatest.Start(t, roomy...)
	c := newCrowd(t, s, "churn", 1000)
	var before footprint
	for part := range parts {
		if err := each(workers, workers, func(w int) error {
			for v := range visits / parts / workers {
				// Each worker has members of its own, so that nobody is in two places.
				m := c.members[w*len(c.members)/workers+v%(len(c.members)/workers)]
				if err := m.visit(s.Addr, fmt.Sprintf("%d.%d.%d", part, w, v)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		after := footprintOf(t, s)
		t.Logf("after part %d: %s", part, after)
		if part == 0 {
			before = after
			continue
		}
		after.compare(t, before)
	}
	c.drained.Store(0)
	c.connect(s, 0, len(c.members), atOnce)
	await(t, "everybody has got what was stored", func() (float64, bool) {
		n := c.drained.Load()
		return float64(n), n == int64(len(c.members))
	})
	if v := c.judge(true); v.Count.Messages != visits || v.Count.Acks < visits {
		t.Errorf("%d messages, %d acknowledged, want %d", v.Count.Messages, v.Count.Acks, visits)
	}
	if lost := s.Metric(`enigma_messages_dropped_total{reason="lost"}`); lost != 0 {
		t.Errorf("the server says that it has lost %v", lost)
	}
}

// visit connects a member, sends one message to some other, waits until that is safe, and leaves in one of the ways in
// which connections end. What comes meanwhile is taken and, but by chance, confirmed.
func (m *member) visit(addr, id string) error {
	dialer := wire.Dialer{From: source(), Buffer: 512}
	conn, err := dialer.Dial(addr, "/ws/"+m.id, subprotocol)
	if err != nil {
		return err
	}
	defer conn.End()
	conn.ReadBy(time.Now().Add(within))
	notes := m.crowd.book.Connected(m.id)
	for acked := false; !acked; {
		f, err := next(conn)
		if err != nil {
			return err
		}
		switch {
		case f.Type == "ready":
			m.mu.Lock()
			m.conn = conn
			m.mu.Unlock()
			to := m.crowd.members[rand.IntN(len(m.crowd.members))].id
			if err := m.send(to, id); err != nil {
				return err
			}
		case f.Type == "ack" && f.ID == id:
			acked = true
		}
		if m.take(notes, f) && rand.IntN(4) > 0 {
			_ = conn.WriteAll((&frame{Type: "recv", Seq: m.last}).wire()) // what is broken is read
		}
	}
	switch rand.IntN(4) {
	case 0:
		conn.Reset()
	case 1: // the server's Close, and the end of its stream
		err := conn.WriteClose(1000)
		for err == nil {
			_, _, err = conn.Read()
		}
	case 2: // no wait for the server's
		_ = conn.WriteClose(1000)
	}
	return nil
}

// footprint is what the server holds when nobody is connected.
type footprint struct {
	files, goroutines int
	memory            float64 // MiB
	actors            float64
}

// String shows it on one line.
func (f footprint) String() string {
	return fmt.Sprintf("%d files, %d goroutines, %.0f actors, %.1f MiB", f.files, f.goroutines, f.actors, f.memory)
}

// footprintOf waits until nobody is connected any more, and measures.
func footprintOf(t testing.TB, s *enigmatest.Server) (f footprint) {
	t.Helper()
	await(t, "all connections are gone, and their actors", func() (float64, bool) {
		conns, actors := s.Metric("enigma_connections"), s.Metric("enigma_users")
		return conns + actors, conns == 0 && actors == 0
	})
	// fasthttp lets its workers go after ten seconds without work: they are not waited for, but bounded below.
	f.goroutines = int(s.Metric("go_goroutines"))
	f.files = s.OpenFiles()
	f.memory = s.Memory()
	return f
}

// compare fails if there is more than there was, apart from what changes from one moment to another: half of the memory
// and 32 MiB for the collector, whose pace follows what was allocated last, and the store's tables.
func (f footprint) compare(t testing.TB, before footprint) {
	t.Helper()
	if f.files > before.files+slack {
		t.Errorf("%d files are open, and were %d", f.files, before.files)
	}
	if f.goroutines > before.goroutines+2*slack+50 {
		t.Errorf("there are %d goroutines, and were %d", f.goroutines, before.goroutines)
	}
	if f.memory > 1.5*before.memory+32*slowdown {
		t.Errorf("%.0f MiB are resident, and were %.0f", f.memory, before.memory)
	}
}
