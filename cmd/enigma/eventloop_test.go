package main_test

import (
	"runtime"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// Users write to each other whatever their connections wait on, and they wait on what was asked for.
func TestEventLoop_IsTheOneThatWasChosen(t *testing.T) {
	const users = 40
	for _, c := range []struct {
		choice   string
		blocking bool // a goroutine waits for each connection
	}{{"goroutines", true}, {"auto", runtime.GOOS != "linux"}, {"epoll", false}} {
		t.Run(c.choice, func(t *testing.T) {
			if c.choice == "epoll" && runtime.GOOS != "linux" {
				r := enigmatest.Run(t, nil, "serve", "--event-loop", c.choice)
				if r.Status != 2 {
					t.Fatalf("status %d on a system without epoll: %v", r.Status, r)
				}
				return
			}
			s := enigmatest.Start(t, "--event-loop", c.choice)
			bob := s.Login("bob")
			b := s.Connect(bob)
			for i := range users {
				u := s.Connect(s.Login("user " + string(rune('A'+i))))
				u.Send(bob, "hello")
				if f := b.Expect(); f.Payload != "hello" {
					t.Fatalf("bob got %s", f.Raw)
				}
			}
			if n := s.Metric("go_goroutines"); (n > users) != c.blocking {
				t.Errorf("%v goroutines for %d connections", n, users+1)
			}
		})
	}
}
