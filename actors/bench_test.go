package actors_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// sink is the leanest conn: it takes everything and answers the fence at the end of what it took.
type sink struct {
	shard   *actors.Shard
	link    *actors.Link
	pong    [16]byte
	pending bool
	ready   chan struct{}
}

func (c *sink) Write(p []byte) (int, error) {
	if n := len(p); n >= 18 && p[n-18] == 0x80|byte(protocol.OpPing) && p[n-17] == 16 {
		copy(c.pong[:], p[n-16:])
		if !c.pending {
			c.pending = true
			c.shard.Post(c)
		}
	}
	return len(p), nil
}

// Run answers the fence, as a job of the shard.
func (c *sink) Run() {
	c.pending = false
	c.link.Pong(c.pong[:])
}

func (c *sink) Pause() {}

func (c *sink) Resume() {
	if c.ready != nil {
		close(c.ready)
		c.ready = nil
	}
}

func (c *sink) Close(protocol.CloseCode, []byte, bool) { c.shard.Post(job(func() { c.link.Detach() })) }

func attachSink(b *actors.Broker, id protocol.UserID) *sink {
	c := &sink{shard: b.ShardFor(id), ready: make(chan struct{})}
	ready := c.ready
	c.shard.Post(job(func() { c.link = b.Attach(id, c, actors.AttachOptions{}) }))
	<-ready
	return c
}

func benchBroker(b *testing.B, opts ...actors.Option) *actors.Broker {
	broker, err := actors.New(append(opts, actors.WithStore(newMemory()))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { broker.Shutdown(b.Context()) })
	return broker
}

func benchLogin(b *testing.B, broker *actors.Broker, key string) protocol.UserID {
	id, err := broker.Login(b.Context(), []byte(key))
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// BenchmarkTell is one 200-byte envelope from submit through registry, mailbox and outbox to its confirm, in turns of
// batch envelopes for as many users.
func BenchmarkTell(b *testing.B) {
	for _, users := range []int{1, 1000} {
		for _, batch := range []int{1, 16, 128} {
			b.Run(fmt.Sprintf("users=%d/batch=%d", users, batch), func(b *testing.B) { benchmarkTell(b, benchBroker(b), users, batch) })
		}
	}
}

func benchmarkTell(b *testing.B, broker *actors.Broker, users, batch int) {
	from := attachSink(broker, benchLogin(b, broker, "sender"))
	to := make([]protocol.UserID, users)
	frames := make([][]byte, users)
	payload := make([]byte, 80)
	for i := range payload {
		payload[i] = 'x'
	}
	for i := range to {
		to[i] = benchLogin(b, broker, fmt.Sprint("user", i))
		attachSink(broker, to[i])
		frames[i] = protocol.AppendPlainMessage(nil, protocol.NewUserID([]byte("sender")), to[i], payload)
	}
	b.SetBytes(200)
	b.ReportAllocs()
	done := make(chan struct{})
	next := 0
	var step job
	step = func() {
		for range batch {
			i := next % users
			from.link.Submit(&actors.Submission{To: to[i], Payload: payload, Frame: frames[i], Size: len(frames[i])})
			next++
		}
		if next < b.N {
			from.shard.Post(step)
			return
		}
		close(done)
	}
	b.ResetTimer()
	from.shard.Post(step)
	<-done
}

// BenchmarkIdleUser is the memory of one attached user with a key of 44 bytes and a conn in memory.
func BenchmarkIdleUser(b *testing.B) {
	broker := benchBroker(b)
	ids := make([]protocol.UserID, b.N)
	for i := range ids {
		ids[i] = benchLogin(b, broker, fmt.Sprintf("%044d", i))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, id := range ids {
		attachSink(broker, id)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "heap-B/user")
	b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/float64(b.N), "objects/user")
}
