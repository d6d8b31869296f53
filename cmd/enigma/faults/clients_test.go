package faults_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// ways are the ways in which a connection ends.
var ways = map[string]func(p *plain){
	"reset": func(p *plain) { p.Reset() },
	"end":   func(p *plain) { p.End() },
	"close": func(p *plain) {
		if err := p.WriteClose(1000); err != nil {
			p.t.Error(err)
		}
		p.closed()
		p.End()
	},
}

// scene is a server with a sender and a recipient of the plain profile.
type scene struct {
	t          *testing.T
	site       *site
	book       *ledger.Ledger
	alice, bob string
	sender     *plain
}

func newScene(t *testing.T, args ...string) *scene {
	t.Helper()
	s := &scene{t: t, site: newSite(t, args...), book: ledger.New()}
	s.alice, s.bob = s.site.Login("alice"), s.site.Login("bob")
	s.sender = connectPlain(t, s.site.address(), s.alice, s.book)
	return s
}

// connect connects the recipient.
func (s *scene) connect() *plain {
	s.t.Helper()
	return connectPlain(s.t, s.site.address(), s.bob, s.book)
}

// send sends n messages to the recipient and returns when the server has them.
func (s *scene) send(n int) {
	s.t.Helper()
	s.sender.send(s.bob, n, 100)
	s.sender.barrier(s.sender.pong)
}

// ids are those of the sender's messages from the first up to the last, exclusive.
func (s *scene) ids(first, last int) []string {
	var ids []string
	for ; first < last; first++ {
		ids = append(ids, fmt.Sprintf("%.4s-%d", s.alice, first))
	}
	return ids
}

// expect checks that exactly these messages come next.
func (s *scene) expect(p *plain, ping func([]byte), want []string) {
	s.t.Helper()
	if got := p.expect(len(want), ping); !slices.Equal(got, want) {
		s.t.Fatalf("%v came, want %v", got, want)
	}
}

// judge ends the test.
func (s *scene) judge() *ledger.Verdict {
	s.t.Helper()
	v := s.book.Judge()
	s.t.Log(v.Count)
	if !v.OK() {
		s.t.Error(v)
	}
	return v
}

// TestClients_WhoNeverPongGetEverythingAgain has a client that answers no Ping. However often it comes, and however it
// goes, its mail comes again, all of it, in order; until it pongs, and then it is gone.
func TestClients_WhoNeverPongGetEverythingAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.send(10)
	for name, leave := range ways {
		b := s.connect()
		s.expect(b, silence, s.ids(0, 10))
		s.t.Logf("leaves by %s", name)
		leave(b)
	}
	b := s.connect()
	s.expect(b, silence, s.ids(0, 10))
	pings := b.pingAfter()
	b.pong(pings)
	b.barrier(silence)
	b.Reset()
	b = s.connect()
	b.nothing()
	s.judge()
}

// pingAfter returns the payload of the next Ping; messages that come before it are noted.
func (p *plain) pingAfter() []byte {
	p.t.Helper()
	p.ReadBy(time.Now().Add(within))
	for {
		op, payload, err := p.next()
		if err != nil {
			p.t.Fatalf("no Ping came: %v", err)
		}
		if op == wire.Ping {
			return payload
		}
	}
}

// TestClients_PongsConfirmThoughTheClientLeaves has the Pong and the client's Close come in one segment. What was said
// first counts.
func TestClients_PongsConfirmThoughTheClientLeaves(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.send(10)
	b := s.connect()
	pong := wire.Frame{Op: wire.Pong, Payload: b.pingAfter()}
	if err := b.WriteAll(pong, wire.Frame{Op: wire.Close, Payload: []byte{0x03, 0xe8}}); err != nil {
		t.Fatal(err)
	}
	b.closed()
	b.End()
	b = s.connect()
	b.nothing()
	s.judge()
}

// TestClients_CutMidStream has a client, written from the bare specification, that is cut by a reset again and again
// while mail streams in. What it had not ponged comes again, in order; what it had ponged does not.
func TestClients_CutMidStream(t *testing.T) {
	t.Parallel()
	s := newScene(t, roomy...)
	total := enigmatest.Pick(3000, 300_000)
	done := make(chan error, 1)
	go func() {
		for sent := 0; sent < total; sent += 10 {
			if err := s.sender.trySend(s.bob, 10, 200); err != nil {
				done <- err
				return
			}
			time.Sleep(time.Millisecond) // a stream, not a burst
		}
		done <- nil
	}()
	r := reader{scene: s}
	for deadline := time.Now().Add(enigmatest.Pick(within, time.Hour)); r.unread < total; {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d messages have come over %d connections", r.unread, total, r.visits)
		}
		r.visit(total)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.connect().rest()
	s.connect().nothing()
	t.Logf("%d connections", r.visits)
	if s.judge().Count.Duplicates == 0 {
		t.Error("no message came again: nothing was cut in its middle")
	}
}

// reader is the recipient of TestClients_CutMidStream. Messages are numbered from 0 as they are sent.
type reader struct {
	*scene
	sure    int   // below it all is confirmed for certain: the server answered something sent after the Pong
	perhaps []int // below each of them all was ponged, in rising order
	unread  int   // the lowest number that has never come
	visits  int
}

// visit reads for a while, pongs or does not, and is cut.
func (r *reader) visit(total int) {
	r.visits++
	b := r.connect()
	defer b.Reset()
	b.ReadBy(time.Now().Add(within))
	next, refused := -1, false
	for range 1 + mathrand.IntN(200) { // a Ping comes with each 64 messages, at the latest
		op, text, err := b.next()
		if err != nil && refused {
			return // the server rightly sends no more
		}
		if err != nil {
			r.t.Fatalf("%d of %d messages came: %v", r.unread, total, err)
		}
		switch op {
		case wire.Ping:
			if mathrand.IntN(3) > 0 {
				b.pong(text)
				r.perhaps = append(r.perhaps, next)
				continue
			}
			refused = true
			b.ReadBy(time.Now().Add(50 * time.Millisecond))
		case wire.Text:
			n := r.number(text)
			switch {
			case next < 0 && n != r.sure && !slices.Contains(r.perhaps, n):
				r.t.Fatalf("after the cut it goes on with %d, want %d, or one of %d if Pongs came through", n, r.sure, r.perhaps)
			case next >= 0 && n != next:
				r.t.Fatalf("%d came behind %d", n, next-1)
			case next < 0:
				r.sure, r.perhaps = n, nil
			}
			next = n + 1
			if r.unread = max(r.unread, next); r.unread == total {
				return
			}
		}
	}
	if !refused && mathrand.IntN(2) == 0 {
		r.settle(b, &next)
	}
}

// settle makes sure that the server has taken the last Pong.
func (r *reader) settle(b *plain, next *int) {
	if err := b.Write(wire.Text, []byte(`{"to":"nobody","payload":""}`)); err != nil {
		r.t.Fatal(err)
	}
	for {
		op, text, err := b.next()
		if err != nil {
			r.t.Fatal(err)
		}
		if op != wire.Text {
			continue
		}
		if strings.Contains(string(text), "USER_NOT_FOUND") {
			if len(r.perhaps) > 0 {
				r.sure, r.perhaps = r.perhaps[len(r.perhaps)-1], nil
			}
			return
		}
		if n := r.number(text); *next >= 0 && n != *next {
			r.t.Fatalf("%d came behind %d", n, *next-1)
		} else {
			*next = n + 1
			r.unread = max(r.unread, n+1)
		}
	}
}

func (r *reader) number(text []byte) int {
	r.t.Helper()
	_, number, _ := strings.Cut(idIn(r.t, text), "-")
	n, err := strconv.Atoi(number)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// TestClients_WhoAnswerOnlyTheLatestPing are allowed to (RFC 6455, section 5.5.3): what came before it is confirmed.
// The server asks for a sign of life meanwhile, so there are several Pings to choose from.
func TestClients_WhoAnswerOnlyTheLatestPing(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newScene(t, "--idle-timeout", "1s")
	s.send(10)
	b := s.connect()
	var pings [][]byte
	b.ReadBy(time.Now().Add(within))
	for len(pings) < 2 {
		op, payload, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if op == wire.Ping {
			pings = append(pings, payload)
		}
	}
	b.pong(pings[len(pings)-1])
	b.barrier(silence)
	b.Reset()
	s.connect().nothing()
	s.judge()
}

// TestClients_WhoForgePongsConfirmNothing has a client that would rather guess than read.
func TestClients_WhoForgePongsConfirmNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.send(10)
	former := s.connect()
	old := former.pingAfter()
	former.Reset()

	b := s.connect()
	s.expect(b, silence, s.ids(0, 10))
	ping := b.pingAfter()
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	higher := slices.Clone(ping)
	binary.BigEndian.PutUint64(higher[8:], binary.BigEndian.Uint64(ping[8:])+1)
	lower := slices.Clone(ping)
	binary.BigEndian.PutUint64(lower[8:], binary.BigEndian.Uint64(ping[8:])-1)
	stranger := slices.Concat(random[:8], ping[8:])
	for name, forged := range map[string][]byte{
		"of a former connection": old, "random": random, "of a higher seq": higher, "of a lower seq": lower,
		"with another nonce": stranger, "empty": nil, "short": ping[:15], "long": append(slices.Clone(ping), 0),
		"zeros": make([]byte, 16), "half": ping[8:],
	} {
		b.pong(forged)
		b.barrier(silence)
		b.Reset()
		b = s.connect()
		s.t.Logf("forged: %s", name)
		s.expect(b, silence, s.ids(0, 10))
		ping = b.pingAfter()
	}
	// A Pong to an older Ping of the same connection does not confirm what came after it.
	b.pong(ping)
	b.barrier(silence)
	s.send(5)
	s.expect(b, silence, s.ids(10, 15))
	b.pingAfter()
	b.pong(ping)
	b.barrier(silence)
	b.Reset()
	b = s.connect()
	s.expect(b, b.pong, s.ids(10, 15))
	s.judge()
}

// TestClients_WhoReadOneMessageAndLeave leave the rest to the next connection.
func TestClients_WhoReadOneMessageAndLeave(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	total := enigmatest.Pick(60, 1000)
	s.send(total)
	for range enigmatest.Pick(30, 1000) {
		b := s.connect()
		s.expect(b, silence, s.ids(0, 1))
		b.Reset()
	}
	b := s.connect()
	s.expect(b, b.pong, s.ids(0, total))
	s.judge()
}

// TestClients_CutInTheMiddleOfAFrame sends the half of a message and is gone: nobody gets a half.
func TestClients_CutInTheMiddleOfAFrame(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.connect()
	for i := range enigmatest.Pick(30, 1000) {
		a := connectPlain(t, s.site.address(), s.alice, s.book)
		a.count = i
		a.send(s.bob, 1, 100)
		a.barrier(a.pong)
		text := fmt.Appendf(nil, `{"to":%q,"payload":"half %s"}`, s.bob, strings.Repeat("x", 200))
		if err := a.WriteCut(wire.Text, text, 1+mathrand.IntN(len(text))); err != nil {
			t.Fatal(err)
		}
		a.Reset()
		s.expect(b, b.pong, s.ids(i, i+1))
	}
	b.nothing()
	s.judge()
}
