package actors_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it bounds a failure, it is no measurement.
const patience = 10 * time.Second

// newBroker starts a broker that ends with the test.
func newBroker(t *testing.T, store actors.Store, opts ...actors.Option) *actors.Broker {
	t.Helper()
	opts = append([]actors.Option{actors.WithStore(store), actors.WithLogger(testLog())}, opts...)
	b, err := actors.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, b) })
	return b
}

func testLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func shutdown(t *testing.T, b *actors.Broker) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.Shutdown(ctx)
}

func newMemory() *storetest.Memory {
	return storetest.NewMemory(persistence.Quota{Messages: 1000, Bytes: 16 << 20})
}

func login(t *testing.T, b *actors.Broker, key string) protocol.UserID {
	t.Helper()
	id, err := b.Login(context.Background(), []byte(key))
	if err != nil {
		t.Fatalf("login %q: %v", key, err)
	}
	return id
}

// frame is what a test conn received: the JSON objects of both profiles.
type frame struct {
	Type, From, To, Payload, ID, Error, Code string
	Seq                                      uint64
	Time                                     int64
	Redelivered                              bool
	close                                    protocol.CloseCode // instead of all others
}

// conn is a connection in memory. It takes what the broker writes, answers Pings unless told not to, and shows the
// rest as frames.
type conn struct {
	t      *testing.T
	id     protocol.UserID
	shard  *actors.Shard
	link   *actors.Link // of the shard
	v1     bool
	proven bool
	order  uint32
	closed bool

	mu      sync.Mutex
	cond    *sync.Cond
	mute    bool // answers no Ping
	stuck   bool // takes no bytes
	explode bool // panics when written to
	room    int  // takes so many bytes at most; negative: any number
	paused  bool
	ready   bool
	raw     []byte
	frames  []frame
	pings   [][]byte
	gone    bool
}

type job func()

func (f job) Run() { f() }

// attach connects a user and waits until it is attached, or closed.
func attach(t *testing.T, b *actors.Broker, id protocol.UserID, setup ...func(*conn)) *conn {
	t.Helper()
	c := connect(t, b, id, setup...)
	c.await("attach", func() bool { return c.ready || c.gone })
	return c
}

// connect is attach without the wait.
func connect(t *testing.T, b *actors.Broker, id protocol.UserID, setup ...func(*conn)) *conn {
	t.Helper()
	c := newConn(t, b, id, setup...)
	c.join(b, c)
	return c
}

func newConn(t *testing.T, b *actors.Broker, id protocol.UserID, setup ...func(*conn)) *conn {
	c := &conn{t: t, id: id, shard: b.ShardFor(id), room: -1}
	c.cond = sync.NewCond(&c.mu)
	for _, f := range setup {
		f(c)
	}
	t.Cleanup(c.drop)
	return c
}

// join hands the conn to the broker, as it is or wrapped.
func (c *conn) join(b *actors.Broker, as actors.Conn) {
	profile := actors.Plain
	if c.v1 {
		profile = actors.V1
	}
	opts := actors.AttachOptions{Profile: profile, Proven: c.proven, Order: c.order}
	c.shard.Post(job(func() { c.link = b.Attach(c.id, as, opts) }))
}

func v1(c *conn)     { c.v1 = true }
func proven(c *conn) { c.v1, c.proven = true, true }
func mute(c *conn)   { c.mute = true }

// Write implements actors.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0, fmt.Errorf("closed")
	}
	if c.explode {
		panic("conn exploded")
	}
	n := len(p)
	if c.stuck {
		n = 0
	} else if c.room >= 0 {
		n = min(n, c.room)
		c.room -= n
	}
	c.take(p[:n])
	return n, nil
}

// take splits the bytes into frames. mu is held.
func (c *conn) take(p []byte) {
	c.raw = append(c.raw, p...)
	for len(c.raw) >= 2 {
		n, head := int(c.raw[1]), 2
		switch {
		case n == 126 && len(c.raw) >= 4:
			n, head = int(binary.BigEndian.Uint16(c.raw[2:])), 4
		case n == 127 && len(c.raw) >= 10:
			n, head = int(binary.BigEndian.Uint64(c.raw[2:])), 10
		case n > 125:
			return
		}
		if len(c.raw) < head+n {
			return
		}
		c.frame(protocol.Opcode(c.raw[0]&15), c.raw[head:head+n])
		c.raw = c.raw[head+n:]
	}
}

func (c *conn) frame(op protocol.Opcode, payload []byte) {
	switch op {
	case protocol.OpPing:
		ping := append([]byte(nil), payload...)
		c.pings = append(c.pings, ping)
		if !c.mute {
			c.shard.Post(job(func() { c.pong(ping) }))
		}
	case protocol.OpClose:
		c.frames = append(c.frames, frame{close: protocol.CloseCode(binary.BigEndian.Uint16(payload))})
	case protocol.OpText:
		var f frame
		if err := json.Unmarshal(payload, &f); err != nil {
			c.t.Errorf("the broker wrote %q: %v", payload, err)
		}
		c.frames = append(c.frames, f)
	}
	c.cond.Broadcast()
}

// pong runs on the shard.
func (c *conn) pong(payload []byte) {
	if !c.closed {
		c.link.Alive()
		c.link.Pong(payload)
	}
}

// Pause implements actors.Conn.
func (c *conn) Pause() { c.set(func() { c.paused = true }) }

// Resume implements actors.Conn.
func (c *conn) Resume() { c.set(func() { c.paused, c.ready = false, true }) }

// Close implements actors.Conn: the remote answers at once.
func (c *conn) Close(_ protocol.CloseCode, last []byte, _ bool) {
	c.set(func() { c.take(last) })
	c.shard.Post(job(c.detach))
}

func (c *conn) set(f func()) {
	c.mu.Lock()
	f()
	c.cond.Broadcast()
	c.mu.Unlock()
}

func (c *conn) detach() {
	if c.closed {
		return
	}
	c.closed = true
	c.link.Detach()
	c.set(func() { c.gone = true })
}

// drop ends the conn as a broken network does.
func (c *conn) drop() {
	if c.shard.Post(job(c.detach)) {
		c.await("detach", func() bool { return c.gone })
	}
}

// await waits until done, which is called with mu held.
func (c *conn) await(what string, done func() bool) {
	c.t.Helper()
	timer := time.AfterFunc(patience, func() { c.set(func() {}) })
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !done() {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited too long for %s; received %+v", what, c.frames)
		}
		c.cond.Wait()
	}
}

// next waits for the next frame and removes it.
func (c *conn) next() frame {
	c.t.Helper()
	c.await("a frame", func() bool { return len(c.frames) > 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.frames[0]
	c.frames = c.frames[1:]
	return f
}

func (c *conn) nextN(n int) []frame {
	c.t.Helper()
	out := make([]frame, n)
	for i := range out {
		out[i] = c.next()
	}
	return out
}

// silent says that nothing more has come, after everything under way on the shard is through.
func (c *conn) silent() {
	c.t.Helper()
	c.do(func() {})
	c.do(func() {})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.frames) > 0 {
		c.t.Fatalf("unexpected frames: %+v", c.frames)
	}
}

// do runs f on the shard and waits for it.
func (c *conn) do(f func()) {
	c.t.Helper()
	done := make(chan struct{})
	if !c.shard.Post(job(func() { f(); close(done) })) {
		return
	}
	<-done
}

// send submits a plain message, or with an id one of v1.
func (c *conn) send(to protocol.UserID, payload string, id ...string) {
	c.t.Helper()
	s := actors.Submission{To: to, Payload: []byte(payload), Size: len(payload)}
	if len(id) > 0 {
		s.ID = []byte(id[0])
	} else if !c.v1 {
		s.Frame = protocol.AppendPlainMessage(nil, c.id, to, s.Payload)
	}
	c.do(func() {
		if !c.closed {
			c.link.Submit(&s)
		}
	})
}

func (c *conn) recv(seq uint64) { c.do(func() { c.link.Recv(seq) }) }

func expect(t *testing.T, got frame, want frame) {
	t.Helper()
	got.Seq, got.Time = 0, 0
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func message(from, to protocol.UserID, payload string) frame {
	return frame{From: from.String(), To: to.String(), Payload: payload}
}

func (c *conn) isPaused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused
}
