package scale_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// subprotocol is the profile with acks and resume.
const subprotocol = "enigma.v1"

// roomy are settings under which no quota is met by accident.
var roomy = []string{"--mailbox-messages", "10000000", "--mailbox-bytes", "4GiB"}

// frame is any frame of the v1 profile.
type frame struct {
	Type        string `json:"type"`
	ID          string `json:"id,omitempty"`
	From        string `json:"from,omitempty"`
	To          string `json:"to,omitempty"`
	Payload     string `json:"payload,omitempty"`
	Seq         uint64 `json:"seq,omitempty"`
	Code        string `json:"code,omitempty"`
	ReconnectMS int64  `json:"reconnectMs,omitempty"`
}

func (f *frame) wire() wire.Frame {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // strings and numbers
	}
	return wire.Frame{Op: wire.Text, Payload: text}
}

// crowd is many users of the v1 profile, each with a goroutine that reads while it is connected, and what they have sent
// and received.
type crowd struct {
	t       testing.TB
	book    *ledger.Ledger
	members []*member
	size    int // bytes of a payload

	sent     atomic.Int64 // messages
	answered atomic.Int64 // messages that are acknowledged, or were refused
	refused  atomic.Int64
	drained  atomic.Int64 // connections that have got all that was stored
	running  sync.WaitGroup
}

// member is one of a crowd.
type member struct {
	crowd *crowd
	id    string

	mu   sync.Mutex
	conn *wire.Conn // guarded by mu: nil while away
	back int64      // guarded by mu: after how many ms it was told to come back
	last uint64     // of the reading goroutine, or while there is none
}

// newCrowd logs n users in. Their connections end with the test.
func newCrowd(t testing.TB, s *enigmatest.Server, name string, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, book: ledger.New(), size: 100}
	c.book.MayRefuse()
	for _, id := range login(t, s, name, n) {
		c.members = append(c.members, &member{crowd: c, id: id})
	}
	t.Cleanup(func() {
		c.leave(0, n)
		c.running.Wait()
	})
	return c
}

// login logs n users in and returns their ids.
func login(t testing.TB, s *enigmatest.Server, name string, n int) []string {
	t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(name, " ", i)
	}
	return loginKeys(t, s, keys)
}

// loginKeys logs the owners of keys in and returns their ids.
func loginKeys(t testing.TB, s *enigmatest.Server, keys []string) []string {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: within}
	ids := make([]string, len(keys))
	mustEach(t, len(keys), atOnce, func(i int) error {
		resp, err := client.Get(s.URL("/login/" + url.PathEscape(keys[i])))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var answer struct{ UserID string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return err
		}
		if ids[i] = protocol.NewUserID([]byte(keys[i])).String(); answer.UserID != ids[i] {
			return fmt.Errorf("login: %s, user %q, want %q", resp.Status, answer.UserID, ids[i])
		}
		return nil
	})
	return ids
}

// connect connects members from one up to another, exclusive, so many at a time.
func (c *crowd) connect(s *enigmatest.Server, from, to, atOnce int) {
	c.t.Helper()
	begin := time.Now()
	var again atomic.Int64
	mustEach(c.t, to-from, atOnce, func(i int) error {
		for {
			err := c.members[from+i].connect(s.Addr)
			if !tryAgain(err) || time.Since(begin) > within {
				return err
			}
			// A machine with too much to do may not read a user's key in time. It says so, and the client comes again.
			again.Add(1)
			time.Sleep(pause())
		}
	})
	c.t.Logf("%d users connected in %s, %d were asked to come again", to-from, time.Since(begin).Round(time.Millisecond), again.Load())
}

// leave ends the connections of members, in turn by a reset and by a close.
func (c *crowd) leave(from, to int) {
	for i, m := range c.members[from:to] {
		m.mu.Lock()
		switch {
		case m.conn == nil:
		case i%2 == 0:
			m.conn.Reset()
		default:
			m.conn.End()
		}
		m.mu.Unlock()
	}
}

// gone waits until the reading goroutines of those who have left have ended.
func (c *crowd) gone() { c.running.Wait() }

// connect connects a member and returns when the server has it.
func (m *member) connect(addr string) error {
	dialer := wire.Dialer{From: source(), Buffer: 512}
	conn, err := dialer.Dial(addr, "/ws/"+m.id, subprotocol)
	if err != nil {
		return err
	}
	conn.ReadBy(time.Now().Add(within))
	f, err := next(conn)
	if err == nil && f.Type != "ready" {
		err = fmt.Errorf("%+v came, want ready", *f)
	}
	if err != nil {
		conn.End()
		return err
	}
	conn.ReadBy(time.Time{})
	m.mu.Lock()
	m.conn = conn
	m.mu.Unlock()
	m.crowd.running.Go(func() { m.read(conn) })
	return nil
}

// read takes what comes, and confirms it, until the connection ends.
func (m *member) read(conn *wire.Conn) {
	defer conn.End()
	notes := m.crowd.book.Connected(m.id)
	unsaid := false
	for {
		f, err := next(conn)
		if err != nil {
			m.mu.Lock()
			if m.conn == conn {
				m.conn = nil
			}
			m.mu.Unlock()
			if tryAgain(err) { // its mail could not be read in time
				time.Sleep(pause())
				_ = m.connect(conn.Remote().String()) // it is missed if that fails too
			}
			return
		}
		unsaid = m.take(notes, f) || unsaid
		if unsaid && conn.Idle() {
			_ = conn.WriteAll((&frame{Type: "recv", Seq: m.last}).wire()) // what is broken is read
			unsaid = false
		}
	}
}

// take notes what a frame says, and reports whether it is to be confirmed.
func (m *member) take(notes *ledger.Conn, f *frame) bool {
	c := m.crowd
	switch f.Type {
	case "message":
		notes.Received(f.From, f.To, f.ID, f.Payload, f.Seq)
		m.last = f.Seq
		return true
	case "ack":
		c.book.Acked(m.id, f.To, f.ID)
		c.answered.Add(1)
	case "error":
		c.book.Refused(m.id, f.To, f.ID, f.Code)
		if f.Code == unavailable { // a machine with too much to do may not store in time; the client tries again
			time.AfterFunc(within/300, func() { _ = m.write(f.To, f.ID) }) // what is broken is read
			break
		}
		c.answered.Add(1)
		c.refused.Add(1)
	case "drained":
		c.drained.Add(1)
	case "going_away":
		m.mu.Lock()
		m.back = f.ReconnectMS
		m.mu.Unlock()
	}
	return false
}

// unavailable is the code of a store that does not answer.
const unavailable = "STORE_UNAVAILABLE"

// send sends a message, whose payload names its sender, its recipient and its number.
func (m *member) send(to, id string) error {
	m.crowd.sent.Add(1)
	return m.write(to, id)
}

// write writes a message, again perhaps.
func (m *member) write(to, id string) error {
	m.mu.Lock()
	conn := m.conn
	m.mu.Unlock()
	if conn == nil {
		return fmt.Errorf("%.8s is not connected", m.id)
	}
	payload := ledger.Payload(fmt.Sprintf("%s %.8s %.8s", id, m.id, to), m.crowd.size)
	m.crowd.book.Sent(m.id, to, id, payload)
	return conn.WriteAll((&frame{Type: "send", ID: id, To: to, Payload: payload}).wire())
}

// everyoneGetsOne has some of the crowd write to all of it, and waits until each has its message.
func (c *crowd) everyoneGetsOne(round string) {
	c.t.Helper()
	c.everyoneGetsOneFrom(round, 16)
	c.judge(true)
}

// everyoneGetsOneFrom has the first of the crowd write to all of it, and waits until that is acknowledged: some may be
// away.
func (c *crowd) everyoneGetsOneFrom(round string, senders int) {
	c.t.Helper()
	before := c.sent.Load() - c.answered.Load()
	mustEach(c.t, len(c.members), senders, func(i int) error {
		return c.members[i%senders].send(c.members[i].id, fmt.Sprintf("%s-%d", round, i))
	})
	await(c.t, "every message is acknowledged", func() (float64, bool) {
		n := c.answered.Load()
		return float64(n), n >= c.sent.Load()-before
	})
}

// judge judges, and with all waits until everything that was acknowledged has come.
func (c *crowd) judge(all bool) *ledger.Verdict {
	c.t.Helper()
	var v *ledger.Verdict
	await(c.t, "everything has come", func() (float64, bool) {
		v = c.book.Judge()
		return float64(v.Count.Delivered), !all || v.Lost == 0
	})
	c.t.Log(v.Count)
	if !v.OK() {
		c.t.Error(v)
	}
	if n := c.refused.Load(); n > 0 {
		c.t.Errorf("%d messages were refused: %v", n, v.Count.Refusals)
	}
	return v
}

// next reads until a text comes, and answers Pings meanwhile.
func next(conn *wire.Conn) (*frame, error) {
	for {
		op, text, err := conn.Read()
		switch {
		case err != nil:
			return nil, err
		case op == wire.Ping:
			_ = conn.Write(wire.Pong, text) // a broken connection is found by reading
		case op == wire.Close:
			_ = conn.Write(wire.Close, text)
			return nil, closedError(wire.CloseStatus(text))
		case op == wire.Text:
			f := &frame{}
			if err := json.Unmarshal(text, f); err != nil {
				return nil, fmt.Errorf("%w in %q", err, strings.ToValidUTF8(string(text), "?"))
			}
			return f, nil
		}
	}
}

// closedError is the status of a Close that the server sent.
type closedError int

func (e closedError) Error() string { return fmt.Sprintf("the server closed with %d", int(e)) }

// tryAgain says that the server has asked a client to come again.
func tryAgain(err error) bool {
	closed := closedError(0)
	return errors.As(err, &closed) && closed == 1013
}

// pause is how long a client waits then.
func pause() time.Duration { return time.Duration(100+rand.IntN(400)) * time.Millisecond }
