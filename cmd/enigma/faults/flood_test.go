package faults_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// growth bounds, in MiB, how much more memory the server may take when somebody does not read. It takes 20 to 30; the
// rest is the collector's slack on a machine that is busy. The long form sends many times that.
const growth = 96 * min(slowdown, 4)

// TestFlood_RecipientWhoNeverReads sends a mass of messages to somebody who does not read, and to others who do. The
// server keeps what the quota admits and refuses the rest; nobody else notices; when he reads again he gets all that was
// accepted.
func TestFlood_RecipientWhoNeverReads(t *testing.T) {
	t.Parallel()
	quota := enigmatest.Pick(2000, 100_000)
	redis := redistest.Start(t) // whose memory is not the server's
	s := newSite(t, "--store", redis.URL(), "--memory", "64MiB", "--mailbox-messages", fmt.Sprint(quota), "--mailbox-bytes", "1GiB")
	book := ledger.New()
	mute := connectPlain(t, s.address(), s.Login("mute"), book)
	mute.Shrink(64 << 10)
	l := newLoad(t, s, crowd{steady: 5, rate: 1_000_000, size: 1000})
	l.book = book
	for i, p := range l.players {
		p.book, p.eager, p.meek = book, true, true
		p.most = enigmatest.Pick(150_000/slowdown, 1_000_000) / 3
		if p.to = []string{mute.id, l.players[3].id, l.players[4].id}; i >= 3 {
			p.to = nil // the two read
		}
	}
	probe := newProbe(t, s, book)
	before, watch := s.Memory(), s.WatchMemory()
	l.start()
	l.exhaust()
	l.settle()
	most := watch()
	t.Logf("memory: %.0f MiB before, %.0f MiB at most", before, most)
	if most > before+growth {
		t.Errorf("the server grew by %.0f MiB, want at most %d", most-before, growth)
	}
	probe.judge()
	accepted := book.Judge().Count.Acks - probe.live.count - probe.answers["ack"]
	for _, p := range l.players {
		collect(t, s.address(), book, p.id)
	}
	accepted -= book.Judge().Count.Delivered - probe.live.count
	mute.expect(accepted, mute.pong)
	mute.nothing()
	if accepted < quota {
		t.Errorf("%d messages were kept for him, want the quota of %d", accepted, quota)
	}
	collect(t, s.address(), book, s.login("probe", 4)[3])
	v := book.Judge()
	t.Logf("%s; %d were kept for him", v.Count, accepted)
	if !v.OK() || v.Count.Refusals["MAILBOX_FULL"] == 0 {
		t.Error(v)
	}
}

// exhaust waits until all players have sent what they have to send.
func (l *load) exhaust() {
	l.t.Helper()
	deadline := time.Now().Add(enigmatest.Pick(2*within, time.Hour))
	for left := 1; left > 0; time.Sleep(5 * time.Millisecond) {
		left = 0
		for _, p := range l.players {
			p.mu.Lock()
			if len(p.to) > 0 {
				left += p.most - p.count
			}
			p.mu.Unlock()
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d messages have not been sent: the senders are held up", left)
		}
	}
}

// flooder is a user who writes without reading, until it is told to read.
type flooder struct {
	t     testing.TB
	book  *ledger.Ledger
	conn  *wire.Conn
	id    string
	to    string
	v1    bool
	total int
	read  chan struct{} // closed when it begins to read
	errs  map[string]int

	mu    sync.Mutex
	later []wire.Frame  // what the reading side has to say: it must not wait for room to write
	more  chan struct{} // cap 1: later has grown
	done  chan struct{} // closed when all has been answered
}

func newFlooder(t testing.TB, s *site, book *ledger.Ledger, id, to string, v1 bool) *flooder {
	t.Helper()
	var protocols []string
	if v1 {
		protocols = []string{subprotocol}
	}
	conn, err := wire.Dial(s.address(), "/ws/"+id, protocols...)
	if err != nil {
		t.Fatal(err)
	}
	conn.Shrink(64 << 10)
	return &flooder{
		t: t, book: book, conn: conn, id: id, to: to, v1: v1, total: enigmatest.Pick(20_000/slowdown, 500_000), errs: make(map[string]int),
		read: make(chan struct{}), more: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// say has the writing side send a frame.
func (f *flooder) say(frame wire.Frame) {
	f.mu.Lock()
	f.later = append(f.later, frame)
	f.mu.Unlock()
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// said takes what the reading side has to say.
func (f *flooder) said() []wire.Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	frames := f.later
	f.later = nil
	return frames
}

// run writes everything, reads, and returns when all that it wrote has been answered.
func (f *flooder) run() {
	var writing sync.WaitGroup
	writing.Go(f.write)
	defer writing.Wait()
	defer f.conn.End()
	defer close(f.done)
	<-f.read
	f.conn.ReadBy(time.Now().Add(enigmatest.Pick(2*within, 10*time.Minute)))
	notes := f.book.Connected(f.id)
	for answered := 0; answered < f.total; {
		op, text, err := f.conn.Read()
		switch {
		case err != nil:
			f.t.Errorf("after %d of %d answers: %v", answered, f.total, err)
			return
		case op == wire.Ping:
			f.say(wire.Frame{Op: wire.Pong, Payload: text})
		case op == wire.Close:
			f.t.Errorf("after %d of %d answers the server closes with %d", answered, f.total, wire.CloseStatus(text))
			return
		case f.v1:
			answered += f.takeV1(notes, text)
		default:
			answered += f.takePlain(notes, text)
		}
	}
}

// write floods. A plain sender asks at the end for an answer that comes behind all others.
func (f *flooder) write() {
	const batch = 100
	for sent := 0; sent < f.total; sent += batch {
		frames := make([]wire.Frame, batch)
		for i := range frames {
			id := fmt.Sprintf("%.4s-%d", f.id, sent+i)
			payload := ledger.Payload(id, 500)
			f.book.Sent(f.id, f.to, id, payload)
			if frames[i] = (&v1Frame{Type: "send", ID: id, To: f.to, Payload: payload}).wire(); !f.v1 {
				text, _ := json.Marshal(plainFrame{From: f.id, To: f.to, Payload: payload}) // strings
				frames[i].Payload = text
			}
		}
		if err := f.conn.WriteAll(append(frames, f.said()...)...); err != nil {
			f.t.Errorf("after %d messages: %v", sent, err)
			return
		}
	}
	if !f.v1 {
		f.say(wire.Frame{Op: wire.Text, Payload: []byte(`{"to":"nobody","payload":""}`)})
	}
	for {
		select {
		case <-f.done:
			return
		case <-f.more:
			_ = f.conn.WriteAll(f.said()...) // what is broken is read
		}
	}
}

// takeV1 takes a frame and returns how many messages it answers.
func (f *flooder) takeV1(notes *ledger.Conn, text []byte) int {
	var m v1Frame
	if err := json.Unmarshal(text, &m); err != nil {
		f.t.Errorf("%v in %q", err, text)
		return 0
	}
	switch m.Type {
	case "message":
		notes.Received(m.From, m.To, m.ID, m.Payload, m.Seq)
		f.say((&v1Frame{Type: "recv", Seq: m.Seq}).wire())
	case "ack":
		f.book.Acked(f.id, m.To, m.ID)
		return 1
	case "error":
		f.book.Refused(f.id, m.To, m.ID, m.Code)
		f.errs[m.Code]++
		return 1
	}
	return 0
}

// takePlain is takeV1 for the plain profile, where the last answer stands for all.
func (f *flooder) takePlain(notes *ledger.Conn, text []byte) int {
	var m plainFrame
	if err := json.Unmarshal(text, &m); err != nil {
		f.t.Errorf("%v in %q", err, text)
		return 0
	}
	switch m.Code {
	case "":
		notes.Received(m.From, m.To, ledger.ID(m.Payload), m.Payload, 0)
	case "USER_NOT_FOUND":
		return f.total
	default:
		f.errs[m.Code]++
	}
	return 0
}

// TestFlood_UsersWhoOnlyWrite has two users flood each other and one flood itself, on both profiles at a time, and none
// of them reads for a while. Nobody may be stuck for good: once they read, everything that was accepted comes, and
// everything else was refused.
func TestFlood_UsersWhoOnlyWrite(t *testing.T) {
	t.Parallel()
	t.Run("store up", func(t *testing.T) { flood(t, false) })
	t.Run("store down", func(t *testing.T) { flood(t, true) })
}

// flood runs the test, with the store away until they have read for a while, or there all the time.
func flood(t *testing.T, down bool) {
	redis := redistest.Start(t) // whose memory is not the server's
	s := newSite(t, "--store", redis.URL(), "--memory", "64MiB")
	book := ledger.New()
	ids := s.login("flooder", 6)
	var all []*flooder
	for i, to := range []int{1, 0, 2, 4, 3, 5} { // the first three are plain
		all = append(all, newFlooder(t, s, book, ids[i], ids[to], i >= 3))
	}
	await(t, "all are attached", func() bool { return s.Metric("enigma_connections") == 6 })
	probe := newProbe(t, s, book)
	if down {
		await(t, "mail is stored", func() bool { return probe.answered("ack") > 0 })
		redis.Kill()
	}
	before, watch := s.Memory(), s.WatchMemory()
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(f.run)
	}
	// In which they write and do not read. Longer than a write may take of package wire must not be.
	time.Sleep(enigmatest.Pick(2*time.Second, 15*time.Second))
	for _, f := range all {
		close(f.read)
	}
	if down {
		time.Sleep(enigmatest.Pick(2*time.Second, time.Minute)) // in which they read, and the store is still away
		redis.Restart()
	}
	running.Wait()
	most := watch()
	t.Logf("memory: %.0f MiB before, %.0f MiB at most", before, most)
	if most > before+growth {
		t.Errorf("the server grew by %.0f MiB, want at most %d", most-before, growth)
	}
	probe.judge()
	for _, id := range slices.Concat(ids, s.login("probe", 4)) {
		collect(t, s.address(), book, id)
	}
	judgeFlood(t, book, all)
}

// judgeFlood judges. A plain sender is not told which message an error is about; it is told how many.
func judgeFlood(t *testing.T, book *ledger.Ledger, all []*flooder) {
	t.Helper()
	v := book.Judge()
	t.Log(v.Count)
	if !v.OK() {
		t.Error(v)
	}
	for _, f := range all {
		came, refused := book.Came(f.id, f.to), 0
		for _, n := range f.errs {
			refused += n
		}
		t.Logf("%.8s (v1: %t) to %.8s: %d sent, %d came, refused: %v", f.id, f.v1, f.to, f.total, came, f.errs)
		if came+refused < f.total {
			t.Errorf("%d of %d messages neither came nor were refused", f.total-came-refused, f.total)
		}
		if came == 0 {
			t.Error("nothing came at all")
		}
	}
}
