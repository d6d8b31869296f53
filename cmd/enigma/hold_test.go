package main_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// Clients that begin large messages and never end them have a bounded part of the memory together. The one that has kept
// its message longest has to go; who sends whole messages, large ones too, notices nothing.
func TestServe_BoundsWhatHalfSentMessagesHold(t *testing.T) {
	t.Setenv("GOMAXPROCS", "2") // one shard, so that a quarter of the memory is for all
	for _, loop := range []string{"auto", "goroutines"} {
		t.Run(loop, func(t *testing.T) {
			const hold, part, clients = 4 << 20, 100 << 10, 60
			s := enigmatest.Start(t, "--store", "memory", "--event-loop", loop, "--memory", "16MiB")
			alice, bob := s.Connect(s.Login("alice")), s.Login("bob")
			receiver := s.Connect(bob)

			id := s.Login("mallory")
			half := append(binary.BigEndian.AppendUint64([]byte{0x01, 0x80 | 127}, part), make([]byte, 4+part)...)
			half = append(half, 0x89, 0x80, 0, 0, 0, 0) // a Ping, whose Pong says that the fragment has come
			var open []net.Conn
			for i := range clients {
				// Each is of a user of its own, for a user has one connection.
				if i > 0 {
					id = s.Login(fmt.Sprint("mallory ", i))
				}
				conn := connectMute(t, s, id)
				defer conn.Close()
				if _, err := conn.Write(half); err != nil {
					t.Fatal(err)
				}
				if op, _ := nextFrame(t, conn); op != 10 {
					t.Fatalf("client %d is answered with a frame of kind %d", i, op)
				}
				open = append(open, conn)
				if i%10 == 9 {
					large := strings.Repeat("x", 120<<10)
					alice.Send(bob, large)
					if got := receiver.Expect(); got.Payload != large {
						t.Fatalf("%d bytes came", len(got.Payload))
					}
				}
			}
			closed := 0
			for _, conn := range open {
				conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				conn.Write([]byte{0x89, 0x80, 0, 0, 0, 0}) // the server may have closed its side already
				switch op, payload := nextFrame(t, conn); {
				case op == 8 && binary.BigEndian.Uint16(payload) == 1013:
					closed++
				case op != 10:
					t.Fatalf("a frame of kind %d, %q", op, payload)
				}
			}
			if held := (clients - closed) * part; held > hold || closed == clients {
				t.Errorf("%d of %d are closed, %d bytes are held", closed, clients, held)
			}
		})
	}
}

// nextFrame reads a server's short frame.
func nextFrame(t *testing.T, conn net.Conn) (op byte, payload []byte) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		t.Fatal(err)
	}
	payload = make([]byte, head[1])
	if _, err := io.ReadFull(conn, payload); err != nil || head[1] >= 126 {
		t.Fatalf("% x, %v", head, err)
	}
	return head[0] & 15, payload
}
