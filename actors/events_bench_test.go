package actors_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// BenchmarkEvents is BenchmarkTell without events, with events that nobody has subscribed to, and with a subscriber:
// mail that is delivered live makes none, so all three should cost the same.
func BenchmarkEvents(b *testing.B) {
	b.Run("off", func(b *testing.B) { benchmarkTell(b, benchBroker(b), 1, 16) })
	b.Run("unheard", func(b *testing.B) { benchmarkTell(b, benchBroker(b, actors.WithEvents()), 1, 16) })
	b.Run("heard", func(b *testing.B) {
		broker := benchBroker(b, actors.WithEvents())
		broker.System().EventStream.Subscribe(func(any) {})
		benchmarkTell(b, broker, 1, 16)
	})
}

// BenchmarkRefusal is one frame that is answered with an error, where events do cost something.
func BenchmarkRefusal(b *testing.B) {
	for name, opts := range map[string][]actors.Option{"off": nil, "unheard": {actors.WithEvents()}} {
		b.Run(name, func(b *testing.B) {
			broker := benchBroker(b, opts...)
			from := attachSink(broker, benchLogin(b, broker, "sender"))
			b.ReportAllocs()
			done := make(chan struct{})
			n := 0
			var step job
			step = func() {
				from.link.Refuse(protocol.CodeInvalidMessage, nil, nil)
				if n++; n < b.N {
					from.shard.Post(step)
					return
				}
				close(done)
			}
			from.shard.Post(step)
			<-done
		})
	}
}
