package faults_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// v1 is a connection of the v1 profile that does what its test says, and nothing by itself but answer Pings.
type v1 struct {
	*wire.Conn
	t    testing.TB
	id   string
	last uint64 // the highest seq that came
}

func connectV1(t testing.TB, s *site, id string) *v1 {
	t.Helper()
	conn, err := wire.Dial(s.address(), "/ws/"+id, subprotocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.End)
	v := &v1{Conn: conn, t: t, id: id}
	if f := v.next(); f.Type != "ready" || f.UserID != id {
		t.Fatalf("%+v came, want ready for %s", *f, id)
	}
	return v
}

func (v *v1) next() *v1Frame {
	v.t.Helper()
	f := readV1(v.t, v.Conn)
	v.last = max(v.last, f.Seq)
	return f
}

func (v *v1) write(f *v1Frame) {
	v.t.Helper()
	if err := v.WriteAll(f.wire()); err != nil {
		v.t.Fatal(err)
	}
}

// send sends a message and waits for its ack.
func (v *v1) send(to, id string, ttl int) {
	v.t.Helper()
	v.write(&v1Frame{Type: "send", ID: id, To: to, Payload: ledger.Payload(id, 50), TTL: ttl})
	for {
		if f := v.next(); f.Type == "ack" && f.ID == id && f.To == to {
			return
		} else if f.Type != "drained" {
			v.t.Fatalf("%+v came, want the ack of %s", *f, id)
		}
	}
}

// backlog reads until drained and returns the ids of what came.
func (v *v1) backlog() (ids []string) {
	v.t.Helper()
	for {
		switch f := v.next(); f.Type {
		case "message":
			ids = append(ids, f.ID)
		case "drained":
			return ids
		default:
			v.t.Fatalf("%+v came, want what is stored", *f)
		}
	}
}

// numbered are the ids from 0 up to n, exclusive.
func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprint("m", i))
	}
	return ids
}

// TestV1_ConfirmsOfWhatWasNeverSentDeleteNothing has a client that confirms the future.
func TestV1_ConfirmsOfWhatWasNeverSentDeleteNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, bob := s.Login("alice"), s.Login("bob")
	a := connectV1(t, s, alice)
	for _, id := range numbered(20) {
		a.send(bob, id, 0)
	}
	for _, seq := range []string{"9007199254740992", "9007199254740991", "18446744073709551616", "1e300", "-1", "0.5", `"1"`, "null"} {
		b := connectV1(t, s, bob)
		if got := b.backlog(); !slices.Equal(got, numbered(20)) {
			t.Fatalf("%v came, want all 20", got)
		}
		if err := b.Write(wire.Text, fmt.Appendf(nil, `{"type":"recv","seq":%s}`, seq)); err != nil {
			t.Fatal(err)
		}
		if f := b.next(); f.Type != "error" || f.Code != "INVALID_MESSAGE" {
			t.Errorf("a recv of %s is answered %+v, want INVALID_MESSAGE", seq, *f)
		}
		b.Reset()
	}
	b := connectV1(t, s, bob)
	b.backlog()
	b.write(&v1Frame{Type: "recv", Seq: b.last + 1})
	if f := b.next(); f.Code != "INVALID_MESSAGE" {
		t.Errorf("a recv of the next seq is answered %+v, want INVALID_MESSAGE", *f)
	}
	b.write(&v1Frame{Type: "recv", Seq: b.last})
	b.write(&v1Frame{Type: "recv", Seq: 1 << 60}) // whose answer says that the one before it was read
	b.next()
	b.Reset()
	if got := connectV1(t, s, bob).backlog(); len(got) > 0 {
		t.Errorf("%v came again after it was confirmed", got)
	}
}

// TestV1_OneMessageExpiresAmongOthers stores messages of which one is to live for two seconds.
func TestV1_OneMessageExpiresAmongOthers(t *testing.T) {
	t.Parallel() // it mostly waits
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "--store", store(t))
			alice, away, slow := s.Login("alice"), s.Login("away"), s.Login("slow")
			a, b := connectV1(t, s, alice), connectV1(t, s, slow)
			b.backlog()
			begin := time.Now()
			for i, id := range numbered(5) {
				ttl := []int{0, 3600, 2, 0, 60}[i]
				a.send(away, id, ttl)
				a.send(slow, id, ttl) // which is live, and stored because it is not confirmed
			}
			b.End()
			time.Sleep(time.Until(begin.Add(4 * time.Second)))
			for _, id := range []string{away, slow} {
				if got, want := connectV1(t, s, id).backlog(), []string{"m0", "m1", "m3", "m4"}; !slices.Equal(got, want) {
					t.Errorf("%v is left, want %v", got, want)
				}
			}
		})
	}
}

// patient keeps a machine that stops for a second from looking like a recipient that does not confirm.
var patient = append([]string{"--spill-after", "20s"}, roomy...)

// TestV1_GoesLiveUnderAStream connects a user for whom there is a backlog and many messages per second arrive. It gets
// the backlog, drained, and then live mail, all in order; and once it is live its mail does not take the way through
// the store any more.
func TestV1_GoesLiveUnderAStream(t *testing.T) {
	s := newSite(t, patient...)
	l := newLoad(t, s, crowd{steady: 4, away: 1, rate: 3000 / min(slowdown, 3), size: 200})
	late := &player{id: l.away[0], book: l.book, addr: l.addr, quiet: &l.quiet, quit: l.quit}
	for _, p := range l.players {
		p.to = l.away
	}
	l.start()
	rounds := enigmatest.Pick(3, 100)
	for round := range rounds {
		parked := s.Metric("enigma_messages_parked_total")
		await(t, "there is a backlog", func() bool { return s.Metric("enigma_messages_parked_total") > parked+1000 })
		before := late.drained()
		late.stayAway(false)
		if round == 0 {
			l.running.Go(late.play)
			l.players = append(l.players, late)
		}
		await(t, "drained", func() bool { return late.drained() > before })
		await(t, "its mail passes the store by", func() bool { return s.passedBy(100) })
		late.stayAway(round < rounds-1)
	}
	l.away = nil
	l.check()
}

// passedBy says that n messages or more were submitted in a while, and none came to the store.
func (s *site) passedBy(n float64) bool {
	s.t.Helper()
	appended, submitted := s.Metric("enigma_store_appended_total"), s.Metric("enigma_messages_submitted_total")
	time.Sleep(200 * time.Millisecond)
	return s.Metric("enigma_store_appended_total") == appended && s.Metric("enigma_messages_submitted_total") >= submitted+n
}

// TestV1_LiveMailLeavesTheStoreAlone has everybody connected and reading, on both profiles.
func TestV1_LiveMailLeavesTheStoreAlone(t *testing.T) {
	s := newSite(t, patient...)
	l := newLoad(t, s, crowd{steady: 6, rate: 3000, size: 200})
	reader := connectPlain(t, s.address(), s.Login("plain"), l.book)
	reading := reader.readOn()
	for _, p := range l.players {
		p.to = append(p.to, reader.id)
	}
	l.quiet.Store(true)
	l.start()
	for _, p := range l.players {
		await(t, "all have seen that nothing is stored", func() bool { return p.drained() == 1 })
	}
	before := s.Metric("enigma_store_appended_total")
	l.quiet.Store(false)
	time.Sleep(enigmatest.Pick(1500*time.Millisecond, 5*time.Minute))
	l.settle()
	if n := s.Metric("enigma_store_appended_total") - before; n != 0 {
		t.Errorf("%.0f messages came to the store", n)
	}
	l.away = []string{reader.id} // which takes the place of the plain connection
	l.check()
	<-reading
}

// readOn reads and answers Pings until the connection ends.
func (p *plain) readOn() (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			op, text, err := p.next()
			if err != nil {
				return
			}
			if op == wire.Ping {
				_ = p.Write(wire.Pong, text) // what is broken is read
			}
		}
	}()
	return ended
}

// TestV1_ServerStopsUnderLoad stops the server in order, again and again. Everybody who is connected is told to come
// again, with the status that says so, and nothing that was acknowledged is lost.
func TestV1_ServerStopsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, append([]string{"--store", store(t)}, roomy...)...)
			l := newLoad(t, s, usual)
			l.start()
			rounds := enigmatest.Pick(2, 50)
			for range rounds {
				time.Sleep(700 * time.Millisecond)
				s.ExpectStatus(0)
				s.Signal(syscall.SIGTERM)
				if status := s.Wait(); status != 0 {
					t.Fatalf("exit status %d", status)
				}
				s.start()
			}
			l.check()
			for _, p := range l.players {
				if p.life == 0 && !slices.Equal(p.byes, slices.Repeat([]farewell{{true, 1001}}, rounds)) {
					t.Errorf("a player was parted from by %v, want going_away and 1001, %d times", p.byes, rounds)
				}
			}
		})
	}
}
