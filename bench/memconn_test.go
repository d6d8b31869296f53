package bench_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// payloadSize is what the messages of these benchmarks hold.
const payloadSize = 200

// newBroker starts a broker on a store in memory; it ends with the benchmark.
func newBroker(b testing.TB, opts ...actors.Option) *actors.Broker {
	b.Helper()
	store := storetest.NewMemory(persistence.Quota{Messages: 1000, Bytes: 16 << 20})
	broker, err := actors.New(append([]actors.Option{actors.WithStore(store)}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := broker.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return broker
}

// login makes the i-th user known. Its key has 44 bytes, as an X25519 key in base64 has.
func login(b testing.TB, broker *actors.Broker, i int) protocol.UserID {
	key := append(bytes.Repeat([]byte{'k'}, 36), "00000000"...)
	copy(key[36:], strconv.Itoa(10_000_000+i))
	id, err := broker.Login(context.Background(), key)
	if err != nil {
		b.Error(err) // perhaps not on the benchmark's goroutine
	}
	return id
}

// memConn is a connection in memory: the broker's own work without sockets. It belongs to its user's shard, and acts on
// what it was given in a job of its own, because the broker is not to be called back from within Write.
type memConn struct {
	shard *actors.Shard
	link  *actors.Link
	id    protocol.UserID
	peer  protocol.UserID
	v1    bool

	posted bool
	due    int // messages to send at the next job
	pings  [][16]byte
	seq    uint64 // v1: received and not confirmed
	sent   uint64
	ids    []byte
	frame  []byte // what is sent on the plain profile

	attached chan struct{}   // closed by the first Resume
	receive  func(n int) int // told of n messages, says how many to answer
	acks     int
}

// attach connects a user, and waits until the broker has it.
func attach(broker *actors.Broker, id protocol.UserID, v1 bool) *memConn {
	c := &memConn{shard: broker.ShardFor(id), id: id, v1: v1}
	<-c.attachTo(broker)
	return c
}

// attachTo begins to connect; what it returns is closed when the broker has the user.
func (c *memConn) attachTo(broker *actors.Broker) <-chan struct{} {
	opts := actors.AttachOptions{Profile: actors.Plain}
	if c.v1 {
		opts.Profile = actors.V1
	}
	attached := make(chan struct{})
	c.attached = attached
	c.shard.Post(job(func() { c.link = broker.Attach(c.id, c, opts) }))
	return attached
}

type job func()

// Run implements [actors.Job].
func (f job) Run() { f() }

// Write implements [actors.Conn].
func (c *memConn) Write(p []byte) (int, error) {
	messages := 0
	for rest := p; len(rest) > 0; {
		head, n := 2, int(rest[1])
		if n == 126 {
			head, n = 4, int(binary.BigEndian.Uint16(rest[2:]))
		}
		text := rest[head : head+n]
		switch {
		case rest[0]&0xF == byte(protocol.OpPing):
			c.pings = append(c.pings, [16]byte(text))
			c.post()
		case rest[0]&0xF == byte(protocol.OpText) && c.take(text):
			messages++
		}
		rest = rest[head+n:]
	}
	if messages > 0 {
		c.due += c.receive(messages)
		c.post()
	}
	return len(p), nil
}

// take reads a text frame, and reports whether it is a message.
func (c *memConn) take(text []byte) bool {
	if !c.v1 {
		return bytes.HasPrefix(text, []byte(`{"from":`))
	}
	if bytes.HasPrefix(text, []byte(`{"type":"ack"`)) {
		c.acks++
	}
	_, after, found := bytes.Cut(text[max(0, len(text)-100):], []byte(`"seq":`))
	if !found {
		return false
	}
	c.seq = 0
	for _, digit := range after {
		if digit < '0' || digit > '9' {
			break
		}
		c.seq = c.seq*10 + uint64(digit-'0')
	}
	return true
}

func (c *memConn) post() {
	if !c.posted {
		c.posted = true
		c.shard.Post(c)
	}
}

// Run implements [actors.Job]: the client's turn.
func (c *memConn) Run() {
	c.posted = false
	for i := range c.pings {
		c.link.Pong(c.pings[i][:])
	}
	c.pings = c.pings[:0]
	if c.seq > 0 {
		c.link.Recv(c.seq)
		c.seq = 0
	}
	c.ids = c.ids[:0]
	for range c.due {
		c.submit()
	}
	c.due = 0
}

// payload is what everybody sends.
var payload = bytes.Repeat([]byte{'x'}, payloadSize)

func (c *memConn) submit() {
	s := actors.Submission{To: c.peer, Payload: payload, Size: payloadSize}
	if c.v1 {
		c.sent++
		at := len(c.ids)
		c.ids = strconv.AppendUint(c.ids, c.sent, 10)
		s.ID = c.ids[at:len(c.ids):len(c.ids)]
	} else {
		if c.frame == nil {
			c.frame = protocol.AppendPlainMessage(nil, c.id, c.peer, payload)
		}
		s.Frame = c.frame
	}
	c.link.Submit(&s)
}

// Pause implements [actors.Conn]. What is in flight is far below the credit.
func (c *memConn) Pause() {}

// Resume implements [actors.Conn].
func (c *memConn) Resume() {
	if c.attached != nil {
		close(c.attached)
		c.attached = nil
	}
}

// Close implements [actors.Conn].
func (c *memConn) Close(protocol.CloseCode, []byte, bool) {
	c.shard.Post(job(func() { c.link.Detach() }))
}
