package transport_test

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
)

// BenchmarkEcho has users write to themselves, with 1 and 16 messages of 200 bytes in flight each: the whole way through
// the server and, in the same process, a client that does as little as it can.
func BenchmarkEcho(b *testing.B) {
	for _, back := range backends {
		for _, flight := range []int{1, 16} {
			b.Run(back.name+"/"+itoa(flight), func(b *testing.B) { benchmarkEcho(b, back, flight) })
		}
	}
}

func benchmarkEcho(b *testing.B, back backend, flight int) {
	const users = 50
	store := storetest.NewMemory(persistence.Quota{Messages: 1000, Bytes: 16 << 20})
	broker, err := actors.New(append([]actors.Option{actors.WithStore(store), actors.WithLogger(testLog())}, back.options...)...)
	if err != nil {
		b.Fatal(err)
	}
	server, err := transport.New(broker, transport.Options{Log: testLog()})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(ln)
	var conns []*wsConn
	for i := range users {
		id, err := broker.Login(b.Context(), []byte(itoa(i)))
		if err != nil {
			b.Fatal(err)
		}
		c := dial(b, ln.Addr().String())
		c.SetDeadline(time.Time{})
		c.send(upgradeRequest("/ws/" + id.String()))
		c.response("GET")
		conns = append(conns, &wsConn{rawConn: c, id: id})
	}
	payload := make([]byte, 200)
	for i := range payload {
		payload[i] = 'x'
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() { c.echo(b.N/users+1, flight, textFrame(envelope(c.id, c.id, string(payload)))) })
	}
	wg.Wait()
	b.StopTimer()
	for _, c := range conns {
		c.Close()
	}
	broker.Shutdown(b.Context())
	server.Shutdown(b.Context())
}

// echo sends n frames and takes as many back, keeping flight of them under way.
func (c *wsConn) echo(n, flight int, frame []byte) {
	r := bufio.NewReaderSize(c.r, 64<<10)
	c.r = r
	var batch []byte
	for range min(flight, n) {
		batch = append(batch, frame...)
	}
	c.Write(batch)
	sent := min(flight, n)
	for got := 0; got < n; {
		batch = batch[:0]
		for {
			head, err := r.Peek(2)
			if err != nil {
				return
			}
			size := 2 + int(head[1])
			if head[1] == 126 {
				head, _ = r.Peek(4)
				size = 4 + int(head[2])<<8 + int(head[3])
			}
			f, err := r.Peek(size)
			if err != nil {
				return
			}
			if f[0]&15 == 9 {
				batch = append(batch, clientFrame(0x8a, f[2:])...)
			} else {
				got++
				if sent < n {
					sent++
					batch = append(batch, frame...)
				}
			}
			r.Discard(size)
			if r.Buffered() == 0 {
				break
			}
		}
		if len(batch) > 0 {
			if _, err := c.Write(batch); err != nil && err != io.EOF {
				return
			}
		}
	}
}
