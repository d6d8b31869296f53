package main_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// TestBacklog_ArrivesInOrderWhileMoreComes has fifty users write to one who is away; then he connects, and they go on.
// He gets everything once, each sender's in order: first what was stored, behind it what came meanwhile.
func TestBacklog_ArrivesInOrderWhileMoreComes(t *testing.T) {
	const senders, before, after = 50, 200, 100
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			s := enigmatest.Start(t, "--store", store(t), "--mailbox-messages", "100000", "--mailbox-bytes", "1GiB")
			bob := s.Login("bob")
			users := make([]*enigmatest.User, senders)
			each := func(from, to int) {
				var all sync.WaitGroup
				for _, u := range users {
					all.Go(func() {
						for n := from; n < to; n++ {
							if err := u.TrySend(bob, fmt.Sprintf("%s %d", u.ID, n)); err != nil {
								t.Errorf("send: %v", err)
								return
							}
						}
					})
				}
				all.Wait()
			}
			for i := range users {
				users[i] = s.Connect(s.Login(fmt.Sprint("sender", i)))
			}
			each(0, before)
			for _, u := range users { // what is answered is stored
				u.Send("nobody", "x")
				u.Expect()
			}
			b := s.Connect(bob)
			go each(before, before+after)
			next := make(map[string]int)
			for range senders * (before + after) {
				f := b.Expect()
				var from string
				var n int
				fmt.Sscan(f.Payload, &from, &n)
				if from != f.From || n != next[from] {
					t.Fatalf("%s came, want number %d of %s", f.Raw, next[from], f.From)
				}
				next[from]++
			}
			b.AwaitConfirm()
		})
	}
}
