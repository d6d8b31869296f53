package faults_test

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// plain is a connection of the plain profile, by a client that knows nothing but the bare specification and RFC 6455.
// The test decides whether Pings are answered.
type plain struct {
	*wire.Conn
	t     testing.TB
	id    string
	book  *ledger.Ledger
	notes *ledger.Conn
	count int // of what it sent
}

// plainFrame is any frame of the plain profile.
type plainFrame struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Payload string `json:"payload"`
	Error   string `json:"error,omitempty"`
	Code    string `json:"code,omitempty"`
}

// connectPlain connects a user.
func connectPlain(t testing.TB, addr, id string, book *ledger.Ledger) *plain {
	t.Helper()
	conn, err := wire.Dial(addr, "/ws/"+id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.End)
	return &plain{Conn: conn, t: t, id: id, book: book, notes: book.Connected(id)}
}

// send sends n messages of about size bytes to a user, in one write.
func (p *plain) send(to string, n, size int) {
	p.t.Helper()
	if err := p.trySend(to, n, size); err != nil {
		p.t.Fatal(err)
	}
}

// trySend is send where a connection that breaks is no failure of the test.
func (p *plain) trySend(to string, n, size int) error {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%.4s-%d", p.id, p.count)
		p.count++
	}
	return p.sendAs(to, ids, size)
}

// sendAs sends messages with these ids.
func (p *plain) sendAs(to string, ids []string, size int) error {
	frames := make([]wire.Frame, len(ids))
	for i, id := range ids {
		payload := ledger.Payload(id, size)
		p.book.Sent(p.id, to, id, payload)
		text, err := json.Marshal(plainFrame{From: p.id, To: to, Payload: payload})
		if err != nil {
			return err
		}
		frames[i] = wire.Frame{Op: wire.Text, Payload: text}
	}
	return p.WriteAll(frames...)
}

// next reads the next frame. A text is noted in the ledger, or is an error of the server.
func (p *plain) next() (op wire.Opcode, text []byte, err error) {
	op, text, err = p.Read()
	if err != nil || op != wire.Text {
		return op, text, err
	}
	var f plainFrame
	if err := json.Unmarshal(text, &f); err != nil {
		return op, text, err
	}
	if f.Code == "" {
		p.notes.Received(f.From, f.To, ledger.ID(f.Payload), f.Payload, 0)
	}
	return op, text, nil
}

// expect reads until n messages have come, and returns their ids. Pings are given to ping.
func (p *plain) expect(n int, ping func(payload []byte)) []string {
	p.t.Helper()
	var ids []string
	p.ReadBy(time.Now().Add(within))
	for len(ids) < n {
		op, text, err := p.next()
		switch {
		case err != nil:
			p.t.Fatalf("%d of %d messages came: %v", len(ids), n, err)
		case op == wire.Ping:
			ping(text)
		case op == wire.Text:
			ids = append(ids, idIn(p.t, text))
		default:
			p.t.Fatalf("opcode %d came: %q", op, text)
		}
	}
	return ids
}

// idIn returns the id of a message.
func idIn(t testing.TB, text []byte) string {
	t.Helper()
	var f plainFrame
	if err := json.Unmarshal(text, &f); err != nil || f.Code != "" {
		t.Fatalf("%q came, want a message", text)
	}
	return ledger.ID(f.Payload)
}

// pong answers a Ping as RFC 6455 demands.
func (p *plain) pong(payload []byte) {
	p.t.Helper()
	if err := p.Write(wire.Pong, payload); err != nil {
		p.t.Fatal(err)
	}
}

// silence answers no Ping.
func silence([]byte) {}

// barrier waits until the server has taken in all that was sent: it answers in order, and an unknown recipient is
// answered by an error. Messages that come meanwhile are noted; they are not confirmed, since Pings are given to ping.
func (p *plain) barrier(ping func(payload []byte)) {
	p.t.Helper()
	if err := p.Write(wire.Text, []byte(`{"to":"nobody","payload":""}`)); err != nil {
		p.t.Fatal(err)
	}
	p.ReadBy(time.Now().Add(within))
	for {
		op, text, err := p.next()
		if err != nil {
			p.t.Fatalf("the barrier: %v", err)
		}
		var f plainFrame
		switch {
		case op == wire.Ping:
			ping(text)
		case op == wire.Text && json.Unmarshal(text, &f) == nil && f.Code == "USER_NOT_FOUND":
			return
		}
	}
}

// rest reads and confirms what there is: one to itself, sent now, comes behind it.
func (p *plain) rest() {
	p.t.Helper()
	for last := p.mark(); p.expect(1, p.pong)[0] != last; {
	}
	p.pong(p.pingAfter())
	p.barrier(p.pong)
	p.Reset()
}

// nothing checks that no message comes: one to itself, sent now, comes first.
func (p *plain) nothing() {
	p.t.Helper()
	want := p.mark()
	if got := p.expect(1, p.pong); got[0] != want {
		p.t.Errorf("%s came, want nothing but %s", got[0], want)
	}
}

// marks counts the messages of mark.
var marks atomic.Int64

// mark sends a message to the user itself that is like no other, and returns its id.
func (p *plain) mark() string {
	p.t.Helper()
	id := fmt.Sprint("mark", marks.Add(1))
	if err := p.sendAs(p.id, []string{id}, 0); err != nil {
		p.t.Fatal(err)
	}
	return id
}

// closed reads until the server's Close and returns its status.
func (p *plain) closed() int {
	p.t.Helper()
	p.ReadBy(time.Now().Add(within))
	for {
		op, text, err := p.next()
		if err != nil {
			p.t.Fatalf("the connection ended without a Close: %v", err)
		}
		if op == wire.Close {
			return wire.CloseStatus(text)
		}
	}
}
