package actors_test

import (
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	b := newBroker(t, newMemory())
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	a := attach(t, b, alice)
	for range 50 {
		c := attach(t, b, bob)
		a.send(bob, "x")
		c.next()
		c.drop()
	}
	a.drop()
	start := time.Now()
	shutdown(t, b)
	if time.Since(start) > time.Second {
		t.Fatal("slow shutdown")
	}
}
