package transport_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/transport"
)

func TestBrokenFramesCloseTheConnection(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		alice := n.login("alice")
		for _, tt := range []struct {
			name  string
			input []byte
			code  int
		}{
			{"not masked", []byte{0x81, 1, 'x'}, 1002},
			{"RSV1", clientFrame(0xc1, []byte("x")), 1002},
			{"opcode 3", clientFrame(0x83, nil), 1002},
			{"opcode 11", clientFrame(0x8b, nil), 1002},
			{"long ping", clientFrame(0x89, make([]byte, 126)), 1002},
			{"ping in fragments", clientFrame(0x09, nil), 1002},
			{"continuation of nothing", clientFrame(0x80, nil), 1002},
			{"text in a message", append(clientFrame(0x01, nil), textFrame("x")...), 1002},
			{"length not minimal", []byte{0x81, 0xfe, 0, 1, 0, 0, 0, 0, 'x'}, 1002},
			{"invalid UTF-8", textFrame("{\"to\":\"x\",\"payload\":\"\xff\"}"), 1007},
			{"invalid UTF-8 and no JSON", textFrame("nonsense \xc0\x80"), 1007},
			{"close 1005", clientFrame(0x88, []byte{3, 237}), 1002},
			{"close of one byte", clientFrame(0x88, []byte{3}), 1002},
			{"close with invalid UTF-8", clientFrame(0x88, []byte("\x03\xe8\xff")), 1007},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := n.upgrade(alice)
				// What comes behind it is discarded, not answered, and does not reset the connection.
				c.Write(append(tt.input, strings.Repeat("rubbish", 1000)...))
				c.wantClose(tt.code)
			})
		}
		c := n.upgrade(alice)
		c.Write(clientFrame(0x82, []byte("{\"to\":\"x\",\"payload\":\"\xff\"}")))
		c.wantError(protocol.CodeInvalidMessage, nil)
	})
}

func TestMessageTooLarge(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		for name, head := range map[string][]byte{
			"one frame":  {0x81, 0xff, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0},
			"8 exabytes": {0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
			"in sum":     append(clientFrame(0x01, make([]byte, 100_000)), 0x80, 0xfe, 0xff, 0xff, 0, 0, 0, 0),
		} {
			t.Run(name, func(t *testing.T) {
				c := n.connect("alice")
				c.Write(head)
				// The client goes on sending and reads nothing; the error is not lost to a reset.
				for range 10 {
					c.Write(make([]byte, 100_000))
				}
				c.wantError(protocol.CodeMessageTooLarge, nil)
				f, err := c.read()
				if err != nil || f.op != 8 || binary.BigEndian.Uint16(f.payload) != 1009 {
					t.Errorf("got %d %q, %v", f.op, f.payload, err)
				}
				c.wantEOF()
			})
		}
	})
}

func TestClientClosesFirst(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		for code, payload := range map[int][]byte{0: nil, 1000: {3, 232}, 1001: append([]byte{3, 233}, "bye"...), 4000: {0x0f, 0xa0}} {
			c := n.connect("alice")
			c.Write(clientFrame(0x88, payload))
			f, err := c.read()
			got := 0
			if len(f.payload) >= 2 {
				got = int(binary.BigEndian.Uint16(f.payload))
			}
			if err != nil || f.op != 8 || got != code {
				t.Errorf("close %d: got %d %q, %v", code, f.op, f.payload, err)
			}
			c.wantEOF() // without waiting for anything of the client
		}
	})
}

func TestPings(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		c := n.connect("alice")
		for _, payload := range []string{"", "x", strings.Repeat("p", 125)} {
			c.Write(clientFrame(0x89, []byte(payload)))
			f, err := c.read()
			if err != nil || f.op != 10 || string(f.payload) != payload {
				t.Errorf("got %d %q, %v", f.op, f.payload, err)
			}
		}
		c.Write(clientFrame(0x8a, []byte("unasked")))
		c.sendText(envelope(c.id, c.id, "x"))
		c.want(envelope(c.id, c.id, "x"))
	})
}

// A server's close ends within its second even if the client never answers, and however much it sends.
func TestLingerIsBounded(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		c := n.connect("alice")
		start := time.Now()
		c.Write(clientFrame(0x83, nil))
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for {
				if _, err := c.Conn.Write(make([]byte, 1000)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		<-stop
		if took := time.Since(start); took < 500*time.Millisecond || took > 4*time.Second {
			t.Errorf("the connection was cut after %v, want about a second", took)
		}
	})
}

func TestFrameMustBeCompleteInTime(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{FrameTimeout: 400 * time.Millisecond})
		for name, part := range map[string][]byte{
			"header":   {0x81},
			"payload":  textFrame("hello")[:8],
			"fragment": clientFrame(0x01, []byte("x")),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := n.connect(name)
				c.Write(part)
				c.wantClose(1002)
			})
		}
		t.Run("drip", func(t *testing.T) {
			t.Parallel()
			c := n.connect("drip")
			go func() {
				for _, b := range clientFrame(0x81, make([]byte, 1000)) {
					if _, err := c.Conn.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}()
			c.wantClose(1002)
		})
		t.Run("in time", func(t *testing.T) {
			t.Parallel()
			c := n.connect("in time")
			for i := range 30 {
				frame := textFrame(envelope(c.id, c.id, itoa(i)))
				c.Write(frame[:10])
				time.Sleep(15 * time.Millisecond)
				c.Write(frame[10:])
				c.want(envelope(c.id, c.id, itoa(i)))
			}
		})
	})
}

func TestShutdown_ClosesConnectionsInOrder(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		answers, silent := n.connect("alice").attached(), n.connect("bob").attached()
		// Without a word.
		gone := n.connect("carol")
		gone.drop()
		done := make(chan error, 1)
		start := time.Now()
		go func() {
			n.server.Drain()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			err := n.broker.Shutdown(ctx)
			done <- errors.Join(err, n.server.Shutdown(ctx))
		}()
		f, err := answers.read()
		if err != nil || f.op != 8 || binary.BigEndian.Uint16(f.payload) != 1001 {
			t.Errorf("got %d %q, %v", f.op, f.payload, err)
		}
		// What comes before the client's close still counts.
		answers.sendText(envelope(answers.id, silent.id, "last words"))
		answers.Write(clientFrame(0x88, nil))
		answers.wantEOF()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
		pages := make([]persistence.Page, 1)
		request := persistence.ReadRequest{User: silent.id, Count: 10, Bytes: 1 << 20, Now: time.Now().UnixMilli()}
		if err := n.store.Read(t.Context(), []persistence.ReadRequest{request}, pages); err != nil {
			t.Fatal(err)
		}
		if kept := pages[0].Pending; len(kept) == 0 || string(kept[len(kept)-1].Payload) != "last words" {
			t.Errorf("the store has %v", kept)
		}
	})
}

// A conn is closed while the kernel takes nothing more: the frame that was cut is completed, the error and the close
// follow, as soon as the client reads.
func TestCloseOfABlockedConnection(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{SendBuffer: 64 << 10})
		alice, bob := n.connect("alice"), n.connect("bob").attached()
		bob.Conn.(*net.TCPConn).SetReadBuffer(32 << 10)
		payload := strings.Repeat("x", 100_000)
		for range 4 {
			alice.sendText(envelope(alice.id, bob.id, payload))
		}
		alice.sendText(envelope(alice.id, alice.id, "done"))
		alice.want(envelope(alice.id, alice.id, "done"))
		n.connect("bob")
		for {
			f, err := bob.read()
			if err != nil {
				t.Fatal(err)
			}
			if f.op == 1 && string(f.payload) == envelope(alice.id, bob.id, payload) {
				continue
			}
			if want := string(protocol.AppendError(nil, protocol.CodeReplaced, nil)); f.op != 1 || string(f.payload) != want {
				t.Fatalf("got %d %.100q, want %s", f.op, f.payload, want)
			}
			break
		}
		bob.wantClose(4409)
	})
}

func TestShutdown_CutsWhatDoesNotEnd(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		c := n.connect("alice")
		c.sendText(envelope(c.id, c.id, "here")) // the upgrade is through, and the server knows of the conn, once this is back
		c.want(envelope(c.id, c.id, "here"))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := n.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := c.read(); err == nil || errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("the connection lives: %v", err)
		}
	})
}

// Clients that vanish in every way, in the middle of everything, leave nothing behind.
func TestAbruptEnds(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		bob := n.login("bob")
		for i := range 40 {
			c := n.connect("alice")
			switch i % 4 {
			case 0:
				c.drop()
			case 1:
				c.Close()
			case 2:
				c.Write(textFrame(envelope(c.id, bob, "x"))[:20])
				c.drop()
			case 3:
				c.sendText(envelope(c.id, bob, "x"))
				c.Conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c.r)
			}
		}
		c := n.upgrade(bob)
		c.want(envelope(protocol.NewUserID([]byte("alice")), bob, "x"))
	})
}
