package actors_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// The tests in this file run on simulated time.

// bubble runs a test with a broker on simulated time.
func bubble(t *testing.T, f func(t *testing.T, b *actors.Broker), opts ...actors.Option) {
	synctest.Test(t, func(t *testing.T) { f(t, newBroker(t, newMemory(), opts...)) })
}

// countPings returns how many Pings came since the last call.
func (c *conn) countPings() int {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.pings)
	c.pings = nil
	return n
}

func TestFence_RidesOnTheIntervalAndGoesAloneLater(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice), attach(t, b, bob)
		pings := func(what string, want int) {
			t.Helper()
			if n := c.countPings(); n != want {
				t.Fatalf("%s: %d fences, want %d", what, n, want)
			}
		}
		a.send(bob, "first")
		pings("with the first data", 1)
		a.send(bob, "soon after")
		pings("within the interval", 0)
		time.Sleep(50 * time.Millisecond)
		a.send(bob, "still within it")
		pings("still within the interval", 0)
		time.Sleep(60 * time.Millisecond)
		a.send(bob, "after it")
		pings("after the interval", 1)
		a.send(bob, "alone")
		time.Sleep(90 * time.Millisecond)
		a.send(bob, "which puts it off no longer")
		pings("no more data", 0)
		time.Sleep(190 * time.Millisecond)
		pings("alone", 1)
		time.Sleep(5 * time.Second)
		pings("all confirmed", 0)
		for range 70 {
			a.send(bob, "many")
		}
		pings("past 64 messages: the one after the interval, and one at once", 2)
		if n := b.Stats().Appended; n != 0 {
			t.Fatalf("%d envelopes stored", n)
		}
	})
}

func TestFence_GoesAtOnceForAV1Sender(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice, v1), attach(t, b, bob)
		a.nextN(2)
		start := time.Now()
		for i := range 100 {
			a.send(bob, "x", fmt.Sprint(i))
			expect(t, a.next(), frame{Type: "ack", ID: fmt.Sprint(i), To: bob.String()})
			c.next()
		}
		if took := time.Since(start); took > 0 {
			t.Fatalf("acks waited %v of simulated time", took)
		}
	})
}

func TestFence_OnlyItsOwnPongConfirms(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice, v1), attach(t, b, bob, mute)
		a.nextN(2)
		a.send(bob, "x", "m")
		c.next()
		c.await("the fence", func() bool { return len(c.pings) == 1 })
		fence := c.pings[0]
		forged := [][]byte{nil, fence[:8], append(fence, 0), make([]byte, 16)}
		for _, change := range []uint64{1, 1 << 20} {
			p := append([]byte(nil), fence...)
			binary.BigEndian.PutUint64(p[8:], binary.BigEndian.Uint64(p[8:])+change)
			forged = append(forged, p)
		}
		stranger := append([]byte(nil), fence...) // the right seq, which can be guessed, and not this conn's nonce
		stranger[7] ^= 1
		forged = append(forged, stranger)
		for _, p := range forged {
			c.do(func() { c.pong(p) })
		}
		a.silent()
		c.do(func() { c.pong(fence) })
		expect(t, a.next(), frame{Type: "ack", ID: "m", To: bob.String()})
		c.drop()
		c = attach(t, b, bob)
		a.send(bob, "y", "n")
		expect(t, c.next(), message(alice, bob, "y"))
		c.do(func() { c.pong(fence) }) // of a former conn
		a.next()
	})
}

func TestSpill_StoresWhatStaysUnconfirmed(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a, c := attach(t, b, alice, v1), attach(t, b, bob, mute)
		a.nextN(2)
		a.send(bob, "x", "m")
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if n := b.Stats().Appended; n != 0 {
			t.Fatalf("%d envelopes stored before their time", n)
		}
		time.Sleep(200 * time.Millisecond)
		expect(t, a.next(), frame{Type: "ack", ID: "m", To: bob.String()})
		expect(t, c.next(), message(alice, bob, "x"))
		a.send(bob, "y", "n")
		expect(t, c.next(), message(alice, bob, "y"))
		c.do(func() { c.pong(c.pings[0]) }) // confirms the stored one
		c.drop()
		c = attach(t, b, bob)
		expect(t, c.next(), message(alice, bob, "y"))
		c.silent()
	})
}

func TestLiveness_DropsASilentConn(t *testing.T) {
	for name, data := range map[string]bool{"nothing unconfirmed": false, "an unanswered fence counts": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *actors.Broker) {
				alice, bob := login(t, b, "alice"), login(t, b, "bob")
				a, c := attach(t, b, alice), attach(t, b, bob, mute)
				want := 2
				if data {
					a.send(bob, "x")
					c.next()
					if n := c.countPings(); n != 1 {
						t.Fatalf("%d fences", n)
					}
					want = 1
				}
				a.drop()
				time.Sleep(179 * time.Second)
				if n := c.countPings(); n != want {
					t.Fatalf("%d Pings, want %d", n, want)
				}
				c.silent()
				time.Sleep(2 * time.Second)
				expect(t, c.next(), frame{close: protocol.CloseGoingAway})
			})
		})
	}
}

func TestLiveness_KeepsAConnThatAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		c := attach(t, b, login(t, b, "bob"))
		time.Sleep(time.Hour)
		c.silent()
		if n := c.countPings(); n < 55 || n > 61 {
			t.Fatalf("%d Pings in an hour", n)
		}
	})
}

func TestPassivation_AwayUsersHaveNoActor(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a := attach(t, b, alice)
		a.send(bob, "x")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := b.Stats().Actors; n != 1 {
			t.Fatalf("%d actors", n)
		}
		c := attach(t, b, bob)
		expect(t, c.next(), message(alice, bob, "x"))
		c.drop()
		a.drop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := b.Stats().Actors; n != 0 {
			t.Fatalf("%d actors after all have left", n)
		}
	})
}

func TestTTL_ExpiresOneAmongOthers(t *testing.T) {
	delivery := actors.DefaultDelivery()
	delivery.TTL = time.Hour
	bubble(t, func(t *testing.T, b *actors.Broker) {
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a := attach(t, b, alice, v1)
		a.nextN(2)
		for i, ttl := range []int64{0, 2, 0} {
			id := fmt.Sprint(i)
			a.do(func() {
				a.link.Submit(&actors.Submission{To: bob, Payload: []byte(id), ID: []byte(id), TTL: ttl, Size: 1})
			})
			a.next()
		}
		time.Sleep(3 * time.Second)
		c := attach(t, b, bob)
		expect(t, c.next(), message(alice, bob, "0"))
		expect(t, c.next(), message(alice, bob, "2"))
		c.silent()
		c.drop()
		time.Sleep(2 * time.Hour)
		c = attach(t, b, bob)
		c.silent()
	}, actors.WithDelivery(delivery))
}

// Two senders and one recipient whose conn comes and goes, over ten minutes: everything arrives, each sender's in order.
func TestModel_TwoSendersAndAFlappingRecipient(t *testing.T) {
	bubble(t, func(t *testing.T, b *actors.Broker) {
		random := rand.New(rand.NewPCG(1, 2))
		bob := login(t, b, "bob")
		const each = 2000
		for i := range 2 {
			id := login(t, b, fmt.Sprint("sender", i))
			a := attach(t, b, id)
			go func() {
				for n := range each {
					a.send(bob, fmt.Sprintf("%d %d", i, n))
					time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
				}
			}()
		}
		next := [2]int{}
		for next[0] < each || next[1] < each {
			setup := []func(*conn){}
			if random.IntN(3) == 0 {
				setup = append(setup, mute)
			}
			c := attach(t, b, bob, setup...)
			time.Sleep(time.Duration(random.IntN(20_000)) * time.Millisecond)
			c.drop()
			for _, f := range c.frames {
				var i, n int
				fmt.Sscanf(f.Payload, "%d %d", &i, &n)
				if n > next[i] {
					t.Fatalf("sender %d: %d came before %d", i, n, next[i])
				}
				next[i] = max(next[i], n+1)
			}
			time.Sleep(time.Duration(random.IntN(20_000)) * time.Millisecond)
		}
	})
}

// Who waits for the store to take a message is refused in time, also when the recipient comes and goes meanwhile.
func TestPark_SendersAreRefusedThoughTheRecipientHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		b := newBroker(t, store)
		alice, bob := login(t, b, "alice"), login(t, b, "bob")
		a := attach(t, b, alice)
		store.Set(storetest.Fault{Hold: make(chan struct{}), Late: true}, storetest.Append) // its outcome stays unknown
		start := time.Now()
		a.send(bob, "x")
		attach(t, b, bob).drop()
		expect(t, a.next(), frame{Error: "Message store unavailable", Code: "STORE_UNAVAILABLE", To: bob.String()})
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("after %v of simulated time", took)
		}
		store.Heal()
	})
}
