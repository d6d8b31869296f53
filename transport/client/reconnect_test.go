package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

// gaps refuses n attempts to connect and returns the time between them, the first after now.
func gaps(f *fake, n int, refuse func(http.ResponseWriter)) <-chan []time.Duration {
	out := make(chan []time.Duration, 1)
	var got []time.Duration
	last := time.Now()
	f.setBefore(func(w http.ResponseWriter, r *http.Request) bool {
		if len(got) == n {
			return false
		}
		got = append(got, time.Since(last))
		last = time.Now()
		refuse(w)
		if len(got) == n {
			out <- got
		}
		return true
	})
	return out
}

func TestBackoff_DoublesWithinBounds(t *testing.T) {
	for range 5 { // jitter
		synctest.Test(t, func(t *testing.T) {
			f, stop := newPipeFake(t)
			c, p := f.dial(alice, client.WithBackoff(100*time.Millisecond, 2*time.Second))
			got := gaps(f, 10, func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) })
			p.cut()
			want := 100 * time.Millisecond
			for i, gap := range <-got {
				if gap < want/2 || gap > want {
					t.Errorf("attempt %d after %v, want %v to %v", i, gap, want/2, want)
				}
				want = min(2*want, 2*time.Second)
			}
			// A connection that does not last does not reset it, one that lasts does.
			p = f.acceptReady()
			time.Sleep(time.Second)
			cut := time.Now()
			p.cut()
			p = f.acceptReady()
			if gap := time.Since(cut); gap < time.Second || gap > 2*time.Second {
				t.Errorf("after a short connection: %v", gap)
			}
			time.Sleep(3 * time.Second)
			cut = time.Now()
			p.cut()
			f.acceptReady()
			if gap := time.Since(cut); gap > 100*time.Millisecond {
				t.Errorf("after a long connection: %v", gap)
			}
			finish(t, c)
			stop()
		})
	}
}

func TestBackoff_JitterDiffers(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			f, stop := newPipeFake(t)
			c, p := f.dial(alice)
			p.cut()
			start := time.Now()
			f.acceptReady()
			seen[time.Since(start)] = true
			finish(t, c)
			stop()
		})
	}
	if len(seen) < 3 {
		t.Errorf("%d different delays of 5", len(seen))
	}
}

func TestBackoff_BusyServer(t *testing.T) {
	for name, tt := range map[string]struct {
		close       websocket.StatusCode
		refuse      func(http.ResponseWriter)
		least, most time.Duration
	}{
		"1013":              {close: 1013, least: time.Second, most: 2 * time.Second},
		"1008":              {close: 1008, least: time.Second, most: 2 * time.Second},
		"1011":              {close: 1011, least: 125 * time.Millisecond, most: 250 * time.Millisecond},
		"1001":              {close: 1001, least: 125 * time.Millisecond, most: 250 * time.Millisecond},
		"1000":              {close: 1000, least: 125 * time.Millisecond, most: 250 * time.Millisecond},
		"503":               {refuse: func(w http.ResponseWriter) { w.WriteHeader(503) }, least: time.Second, most: 2 * time.Second},
		"429 with a time":   {refuse: retryAfter("10"), least: 10 * time.Second, most: 15 * time.Second},
		"429 with too long": {refuse: retryAfter("99999"), least: time.Minute, most: 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, stop := newPipeFake(t)
				c, p := f.dial(alice)
				var start time.Time
				if tt.refuse != nil {
					got := gaps(f, 1, tt.refuse)
					p.cut()
					<-got
					start = time.Now()
				} else {
					p.Close(tt.close, "")
					start = time.Now()
				}
				f.acceptReadyIn(time.Hour)
				if gap := time.Since(start); gap < tt.least || gap > tt.most {
					t.Errorf("back after %v, want %v to %v", gap, tt.least, tt.most)
				}
				finish(t, c)
				stop()
			})
		})
	}
}

func retryAfter(s string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", s)
		w.WriteHeader(429)
	}
}

func TestGoingAway(t *testing.T) {
	for ms, want := range map[string]time.Duration{"5000": 5 * time.Second, "1e300": time.Minute, "0": 0, "-7": 0} {
		synctest.Test(t, func(t *testing.T) {
			f, stop := newPipeFake(t)
			c, p := f.dial(alice)
			p.write(`{"type":"going_away","reconnectMs":%s}`, ms)
			p.message(1, "", "still taken") // it is only a notice
			receive(t, c)
			p.Close(1001, "")
			start := time.Now()
			f.acceptReadyIn(time.Hour)
			if gap := time.Since(start); gap < want || gap > want+want/2+2*time.Millisecond {
				t.Errorf("%s: back after %v", ms, gap)
			}
			finish(t, c)
			stop()
		})
	}
}

func TestReconnect_StopsForGood(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(*peer)
		want error
	}{
		"replaced": {func(p *peer) {
			p.write("%s", protocol.AppendV1Error(nil, protocol.CodeReplaced, nil, nil))
			p.Close(4409, "")
		}, client.ErrReplaced},
		"replaced, by the close alone": {func(p *peer) { p.Close(4409, "") }, client.ErrReplaced},
		"replaced, the close is lost": {func(p *peer) {
			p.write("%s", protocol.AppendV1Error(nil, protocol.CodeReplaced, nil, nil))
			p.cut()
		}, client.ErrReplaced},
		"unknown":        {func(p *peer) { p.Close(4404, "") }, client.ErrUserNotFound},
		"proof required": {func(p *peer) { p.Close(4401, "") }, client.ErrProofRequired},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, stop := newPipeFake(t)
				c, p := f.dial(alice)
				sent := sending(c, t.Context(), bob, "x")
				p.want("send")
				tt.act(p)
				if err := <-sent; !errors.Is(err, tt.want) || !errors.Is(err, client.ErrUnknownOutcome) {
					t.Errorf("send: %v", err)
				}
				<-c.Done()
				if !errors.Is(c.Err(), tt.want) {
					t.Errorf("err: %v", c.Err())
				}
				if err := c.Send(t.Context(), bob, "x"); !errors.Is(err, tt.want) {
					t.Errorf("send afterwards: %v", err)
				}
				time.Sleep(time.Hour)
				if len(f.peers) > 0 {
					t.Error("it reconnected")
				}
				finish(t, c)
				stop()
			})
		})
	}
}

func TestReconnect_StopsWhenRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice)
		p.cut()
		f.accept().Close(4404, "")
		<-c.Done()
		if !errors.Is(c.Err(), client.ErrUserNotFound) {
			t.Errorf("err: %v", c.Err())
		}
		stop()
	})
}

// Errors that name a recipient or a message have nothing to do with the connection's own user.
func TestReconnect_UnknownRecipientIsNotFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice)
		p.write(`{"type":"error","code":"USER_NOT_FOUND","error":"User not found","to":"x"}`)
		p.cut()
		f.acceptReady()
		finish(t, c)
		stop()
	})
}

func TestClose_WhileWaitingOrConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice, client.WithBackoff(time.Hour, time.Hour))
		p.cut()
		synctest.Wait()
		start := time.Now()
		finish(t, c)
		d, p := f.dial(alice)
		p.cut()
		f.accept() // never made ready
		finish(t, d)
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
		stop()
	})
}

func TestClose_ServerDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.mute = true // nor does it read: a pipe has no buffer, so the goodbye cannot be written
		c, _ := f.dial(alice)
		start := time.Now()
		finish(t, c)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		d, _ := f.dial(alice)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start = time.Now()
		if err := d.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		stop()
	})
}

func TestHeartbeat_FindsASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice, client.WithHeartbeat(10*time.Second, 5*time.Second))
		time.Sleep(time.Hour) // the peer answers Pings
		if len(f.peers) > 0 {
			t.Error("reconnected though the server lives")
		}
		// From now on Pings vanish, as behind a lost link.
		f.hang(p)
		start := time.Now()
		f.acceptReadyIn(time.Minute)
		if took := time.Since(start); took < 5*time.Second || took > 16*time.Second {
			t.Errorf("noticed after %v", took)
		}
		finish(t, c)
		stop()
	})
}

func TestHeartbeat_FindsAServerThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		f.mute = true
		c, _ := f.dial(alice, client.WithHeartbeat(10*time.Second, 5*time.Second))
		f.setMute(false)
		start := time.Now()
		sent := sending(c, t.Context(), bob, "x")
		p := f.acceptReadyIn(10 * time.Minute)
		// The server's idle timeout is longer, so that counts.
		if took := time.Since(start); took < 60*time.Second || took > 61*time.Second {
			t.Errorf("noticed after %v", took)
		}
		p.ack(p.want("send"))
		if err := <-sent; err != nil {
			t.Errorf("send: %v", err)
		}
		finish(t, c)
		stop()
	})
}

// A server that answers Pings and never acknowledges lives: the answer may take as long as its store is down.
func TestSend_NeverAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		c, p := f.dial(alice)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Send(ctx, bob, "x"); !errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("send: %v", err)
		}
		p.want("send")
		if len(f.peers) > 0 {
			t.Error("reconnected")
		}
		finish(t, c)
		stop()
	})
}

func TestPing_IsAnswered(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice)
	defer finish(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 3 {
		if err := p.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
	}
	time.Sleep(20 * time.Millisecond)
	if n := p.pongs.Load(); n != 3 {
		t.Errorf("%d Pongs for 3 Pings", n)
	}
}

func TestReconnect_AfterAReset(t *testing.T) {
	f := newFake(t)
	c, p := f.dial(alice, client.WithBackoff(time.Millisecond, 10*time.Millisecond))
	defer finish(t, c)
	for i := range 10 {
		sent := sending(c, t.Context(), bob, fmt.Sprint(i))
		got := p.want("send")
		p.cut()
		p = f.acceptReady()
		if again := p.want("send"); again != got {
			t.Fatalf("sent again %+v, first %+v", again, got)
		}
		p.ack(got)
		if err := outcome(t, sent); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReconnect_DialerFailsAndHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := newPipeFake(t)
		inner := f.dialFunc
		n := 0
		f.opts = []client.Option{client.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			switch n++; n {
			case 2:
				return nil, io.ErrUnexpectedEOF
			case 3:
				<-ctx.Done() // the attempt has a bound of its own
				return nil, ctx.Err()
			}
			return inner(ctx, network, addr)
		})}
		c, p := f.dial(alice)
		p.cut()
		f.acceptReadyIn(time.Hour)
		if n != 4 {
			t.Errorf("%d attempts", n)
		}
		finish(t, c)
		stop()
	})
}
