package actors_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// BenchmarkReceiver is a message of 200 bytes from SubmitFunc by way of a receiver's Receive and Confirm to its outcome:
// what a host pays that speaks no frames. As many as the credit allows are on their way for each of the users.
func BenchmarkReceiver(b *testing.B) {
	for _, users := range []int{1, 100} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) { benchmarkReceiver(b, users) })
	}
}

func benchmarkReceiver(b *testing.B, users int) {
	broker := benchBroker(b)
	ids := make([]protocol.UserID, users)
	for i := range ids {
		ids[i] = benchLogin(b, broker, fmt.Sprint("user", i))
		s, err := broker.Connect(b.Context(), ids[i], actors.ReceiverOptions{})
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for {
				m, err := s.Receive(b.Context())
				if err != nil {
					return
				}
				m.Confirm()
			}
		}()
		defer func() { s.Close(); <-s.Done() }()
	}
	payload := strings.Repeat("x", 200)
	slots := make(chan struct{}, 200)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		slots <- struct{}{}
		broker.SubmitFunc(actors.Envelope{From: ids[i%users], To: ids[(i+1)%users], Payload: payload}, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
		})
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
}
