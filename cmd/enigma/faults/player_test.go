package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// subprotocol is the profile with acks and resume.
const subprotocol = "enigma.v1"

// v1Frame is any frame of the v1 profile.
type v1Frame struct {
	Type        string `json:"type"`
	ID          string `json:"id,omitempty"`
	From        string `json:"from,omitempty"`
	To          string `json:"to,omitempty"`
	Payload     string `json:"payload,omitempty"`
	TTL         int    `json:"ttl,omitempty"`
	Seq         uint64 `json:"seq,omitempty"`
	Redelivered bool   `json:"redelivered,omitempty"`
	Code        string `json:"code,omitempty"`
	UserID      string `json:"userId,omitempty"`
	ReconnectMS *int64 `json:"reconnectMs,omitempty"`
}

func (f *v1Frame) wire() wire.Frame {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // strings and numbers
	}
	return wire.Frame{Op: wire.Text, Payload: text}
}

// player is a user of the v1 profile that does what its specification asks of a client, for as long as the load lasts:
// it connects again and again, tells the server what it has, sends again what was not answered, in the old order and
// with the old ids, and only then what is new.
type player struct {
	id   string
	book *ledger.Ledger
	addr func() string
	to   []string      // whom it writes to, in turn; nobody: it only reads
	rate int           // messages per second while it is connected
	size int           // bytes of a payload
	life time.Duration // about how long its connections last; 0 for as long as they can

	most  int  // messages that it sends in all; 0 for no bound
	eager bool // it writes as fast as it gets answers
	meek  bool // what is refused is not sent again

	quiet *atomic.Bool // nothing new is sent, and connections last
	quit  chan struct{}

	// Of the goroutine that writes.
	random *rand.Rand
	count  int

	mu    sync.Mutex
	open  []*sending // without an answer, in the order of sending
	again []*sending // refused, to be sent again
	last  uint64     // the highest seq that was received
	conns int
	drain int        // times that drained came
	apart bool       // it does not connect
	cur   *wire.Conn // nil between two
	byes  []farewell // how the server closed its connections, if it did
}

// farewell is how the server parted from a player.
type farewell struct {
	announced bool // by going_away
	status    int
}

// sending is a message on its way.
type sending struct {
	to, id, payload string
}

// window is how many messages a player has without an answer at most.
const window = 256

// play goes on until quit is closed.
func (p *player) play() {
	p.random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	for {
		select {
		case <-p.quit:
			return
		default:
		}
		if conn := p.connect(); conn != nil {
			p.visit(conn)
		}
		absence := 5 + rand.IntN(20) // the server may be gone; nobody is to be busy asking
		if p.life > 0 && !p.quiet.Load() {
			absence = rand.IntN(int(p.life.Milliseconds()))
		}
		select {
		case <-p.quit:
		case <-time.After(time.Duration(absence) * time.Millisecond):
		}
	}
}

// connect connects, unless it is not to.
func (p *player) connect() *wire.Conn {
	p.mu.Lock()
	apart := p.apart
	p.mu.Unlock()
	if apart {
		return nil
	}
	conn, err := wire.Dial(p.addr(), "/ws/"+p.id, subprotocol)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cur = conn
	return conn
}

// stayAway ends the connection, and has the player not connect any more, or come again.
func (p *player) stayAway(apart bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apart = apart
	if p.cur != nil {
		p.cur.Reset()
	}
}

// visit is one connection, from ready to its end.
func (p *player) visit(conn *wire.Conn) {
	ready, ended := make(chan struct{}), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		p.write(conn, ready, ended)
		p.book.Cut(p.id)
	})
	notes := p.book.Connected(p.id)
	for unsaid, announced := 0, false; ; {
		op, text, err := conn.Read()
		if op == wire.Close {
			p.parted(announced, wire.CloseStatus(text))
			_ = conn.Write(wire.Close, text) // the other half of the closing handshake
		}
		if err != nil || op == wire.Close {
			break
		}
		if op == wire.Ping {
			_ = conn.Write(wire.Pong, text) // a broken connection is found by reading
			continue
		}
		var f v1Frame
		if err := json.Unmarshal(text, &f); err != nil {
			panic(fmt.Sprintf("%v in %q", err, text))
		}
		switch f.Type {
		case "ready":
			close(ready)
		case "going_away":
			announced = f.ReconnectMS != nil
		}
		if p.take(notes, &f) {
			unsaid++
		}
		// What is confirmed together, and what is not when the connection ends, is left to chance.
		if unsaid > 0 && (conn.Idle() || unsaid >= 64) {
			_ = conn.WriteAll((&v1Frame{Type: "recv", Seq: p.last}).wire())
			unsaid = 0
		}
	}
	close(ended)
	conn.End()
	writing.Wait()
}

// parted notes that the server closed.
func (p *player) parted(announced bool, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byes = append(p.byes, farewell{announced, status})
}

// take notes what came, and says whether it is to be confirmed.
func (p *player) take(notes *ledger.Conn, f *v1Frame) bool {
	switch f.Type {
	case "message":
		id := f.ID
		if id == "" { // of a plain sender
			id = ledger.ID(f.Payload)
		}
		notes.Received(f.From, f.To, id, f.Payload, f.Seq)
		p.mu.Lock()
		p.last = max(p.last, f.Seq)
		p.mu.Unlock()
		return true
	case "drained":
		p.mu.Lock()
		p.drain++
		p.mu.Unlock()
	case "ack":
		p.book.Acked(p.id, f.To, f.ID)
		p.answered(f.To, f.ID, false)
	case "error":
		if f.ID == "" && f.Code == "USER_NOT_FOUND" {
			return false // the player itself: the server has forgotten everybody
		}
		p.book.Refused(p.id, f.To, f.ID, f.Code)
		p.answered(f.To, f.ID, true)
	}
	return false
}

// drained returns how often drained came.
func (p *player) drained() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drain
}

// answered takes a message from those without an answer. A refused one will be sent again.
func (p *player) answered(to, id string, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.open {
		if s.id == id && s.to == to {
			p.open = append(p.open[:i], p.open[i+1:]...)
			if refused && !p.meek {
				p.again = append(p.again, s)
			}
			return
		}
	}
}

// pace returns after how long a player writes again: sometimes a few messages, sometimes many at once.
func (p *player) pace() time.Duration {
	if p.eager {
		return time.Millisecond
	}
	return time.Duration(1+p.random.IntN(50)) * time.Millisecond
}

// write sends until the connection ends, or ends it.
func (p *player) write(conn *wire.Conn, ready, ended <-chan struct{}) {
	select {
	case <-ready:
	case <-p.quit:
		conn.End()
		return
	case <-ended:
		return
	}
	if !p.resume(conn) {
		return
	}
	tick := time.NewTimer(p.pace())
	defer tick.Stop()
	var over <-chan time.Time
	if p.life > 0 {
		over = time.After(time.Duration(p.random.Int64N(int64(2 * p.life))))
	}
	for begin, sent := time.Now(), 0; ; {
		select {
		case <-ended:
			return
		case <-p.quit:
			conn.End()
			return
		case <-over:
			if !p.quiet.Load() {
				p.end(conn)
				return
			}
		case <-tick.C:
		}
		due := int(time.Since(begin).Seconds()*float64(p.rate)) - sent
		n, ok := p.more(conn, min(due, window))
		if !ok {
			return
		}
		sent += n
		if n < due {
			begin, sent = time.Now(), 0 // what could not be sent in time is not made up for
		}
		tick.Reset(p.pace())
	}
}

// resume says what was received before and sends again what was not answered.
func (p *player) resume(conn *wire.Conn) bool {
	p.mu.Lock()
	p.conns++
	last, open := p.last, append([]*sending(nil), p.open...)
	p.mu.Unlock()
	if last > 0 && p.random.IntN(2) == 0 { // it may say so, and need not
		if conn.WriteAll((&v1Frame{Type: "recv", Seq: last}).wire()) != nil {
			return false
		}
	}
	return p.send(conn, open) == nil
}

// more sends what was refused, and then up to n new messages.
func (p *player) more(conn *wire.Conn, n int) (sent int, ok bool) {
	p.mu.Lock()
	again := p.again
	p.again = nil
	p.open = append(p.open, again...)
	batch := again
	room := window - len(p.open)
	if p.most > 0 {
		room = min(room, p.most-p.count)
	}
	for len(p.to) > 0 && !p.quiet.Load() && sent < min(n, room) {
		id := fmt.Sprintf("%.4s-%d", p.id, p.count)
		s := &sending{to: p.to[p.count%len(p.to)], id: id, payload: ledger.Payload(id, p.size)}
		p.count++
		sent++
		p.open = append(p.open, s)
		batch = append(batch, s)
	}
	p.mu.Unlock()
	return sent, p.send(conn, batch) == nil
}

// send writes messages. What is noted and then not written is one of those that nobody knows about.
func (p *player) send(conn *wire.Conn, batch []*sending) error {
	if len(batch) == 0 {
		return nil
	}
	frames := make([]wire.Frame, len(batch))
	for i, s := range batch {
		p.book.Sent(p.id, s.to, s.id, s.payload)
		frames[i] = (&v1Frame{Type: "send", ID: s.id, To: s.to, Payload: s.payload}).wire()
	}
	return conn.WriteAll(frames...)
}

// end ends a connection in one of the ways in which connections end.
func (p *player) end(conn *wire.Conn) {
	switch p.random.IntN(3) {
	case 0:
		conn.Reset()
	case 1:
		conn.End()
	default:
		_ = conn.WriteClose(1000)
		conn.ReadBy(time.Now().Add(within))
	}
}

// waiting returns how many messages wait for an answer, or to be sent again.
func (p *player) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) + len(p.again)
}

// tellWaiting logs which messages they are.
func (p *player) tellWaiting(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.open {
		t.Logf("%s from %.8s (life %s) to %.8s has no answer", s.id, p.id, p.life, s.to)
	}
	for _, s := range p.again {
		t.Logf("%s from %.8s (life %s) to %.8s was refused and not sent again", s.id, p.id, p.life, s.to)
	}
}
