package scale_test

import (
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// slowness is a way in which a client keeps a connection without being of use.
type slowness struct {
	name    string
	allowed time.Duration // what the server gives it by default
	// begin writes what begins it, and returns what it drips from then on.
	begin func(nc net.Conn, addr, id string) (rest []byte, err error)
}

// What Options.ReadTimeout, the wire contract and Options.FrameTimeout of package transport say.
const (
	requestTime = 10 * time.Second
	proofTime   = 10 * time.Second
	messageTime = 30 * time.Second
)

// slownesses are those there are.
var slownesses = []slowness{
	{"silence", requestTime, func(net.Conn, string, string) ([]byte, error) { return nil, nil }},
	{"request line", requestTime, func(nc net.Conn, _, _ string) ([]byte, error) {
		_, err := nc.Write([]byte("GET /conn"))
		return endless('a'), err
	}},
	{"headers", requestTime, func(nc net.Conn, addr, id string) ([]byte, error) {
		_, err := fmt.Fprintf(nc, "GET /ws/%s HTTP/1.1\r\nHost: %s\r\nX-A: ", id, addr)
		return endless('b'), err
	}},
	{"body", requestTime, func(nc net.Conn, addr, _ string) ([]byte, error) {
		_, err := fmt.Fprintf(nc, "POST /login HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n{", addr)
		return endless(' '), err
	}},
	{"no proof", proofTime, func(nc net.Conn, addr, id string) ([]byte, error) {
		return nil, upgrade(nc, addr, id, "Sec-WebSocket-Protocol: enigma.v1\r\n")
	}},
	{"frame", messageTime, framing([]byte{0x81, 0xfe, 0x40, 0x00, 1, 2, 3, 4}, endless('c'))}, // a text of 16 KiB, masked
	{"half a header", messageTime, framing([]byte{0x81}, nil)},
	{"fragments", messageTime, framing([]byte{0x01, 0x81, 0, 0, 0, 0, 'x'}, // a first fragment
		[]byte{0x00, 0x81, 0, 0, 0, 0, 'y', 0x00, 0x81})}, // and more, byte by byte
}

// framing is an upgrade and the beginning of a message.
func framing(first, rest []byte) func(net.Conn, string, string) ([]byte, error) {
	return func(nc net.Conn, addr, id string) ([]byte, error) {
		if err := upgrade(nc, addr, id, ""); err != nil {
			return nil, err
		}
		_, err := nc.Write(first)
		return rest, err
	}
}

func endless(b byte) []byte {
	rest := make([]byte, 1000)
	for i := range rest {
		rest[i] = b
	}
	return rest
}

// upgrade makes a WebSocket by hand, and leaves what comes on it unread.
func upgrade(nc net.Conn, addr, id, headers string) error {
	_, err := fmt.Fprintf(nc, "GET /ws/%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", id, addr, headers)
	if err != nil {
		return err
	}
	status := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(nc, status); err != nil || string(status) != "HTTP/1.1 101" {
		return fmt.Errorf("the upgrade was answered %q, %w", status, err)
	}
	return nil
}

// loiterers are connections that do not come to the point: each says how far it goes, and then a byte now and then.
type loiterers struct {
	server *enigmatest.Server
	again  bool // who is cut comes again
	quit   chan struct{}
	all    sync.WaitGroup // a goroutine for each

	mu     sync.Mutex
	over   bool                       // guarded by mu: quit is closed
	open   map[net.Conn]struct{}      // guarded by mu
	lasted map[string][]time.Duration // guarded by mu: of those that the server has ended, by the name of the slowness
}

// linger opens a connection for each of the ids, which stays until the server ends it, or the test.
func linger(t testing.TB, s *enigmatest.Server, ids []string, again bool) *loiterers {
	t.Helper()
	l := &loiterers{server: s, again: again, quit: make(chan struct{}), open: map[net.Conn]struct{}{}, lasted: map[string][]time.Duration{}}
	t.Cleanup(l.end)
	mustEach(t, len(ids), atOnce, func(i int) error {
		kind, since := slownesses[i%len(slownesses)], time.Now()
		nc, rest, err := l.begin(kind, ids[i])
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		l.all.Go(func() {
			for nc != nil {
				drip(nc, rest)
				if l.cut(nc, kind.name, time.Since(since)); !l.again {
					return
				}
				since = time.Now()
				nc, rest = l.comeAgain(kind, ids[i])
			}
		})
		return nil
	})
	return l
}

// begin makes a connection.
func (l *loiterers) begin(kind slowness, id string) (net.Conn, []byte, error) {
	nc, err := dial(l.server)
	if err != nil {
		return nil, nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(within))
	rest, err := kind.begin(nc, l.server.Addr, id)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		nc.Close()
		return nil, nil, net.ErrClosed
	}
	l.open[nc] = struct{}{}
	return nc, rest, nil
}

// comeAgain makes a connection, however often that fails; nil when it is over. It waits first, each time as long as it
// likes: those that were cut together would come together, and hold up the users who talk in this process.
func (l *loiterers) comeAgain(kind slowness, id string) (net.Conn, []byte) {
	for {
		select {
		case <-l.quit:
			return nil, nil
		case <-time.After(mathrand.N(2 * time.Second)):
		}
		if nc, rest, err := l.begin(kind, id); err == nil {
			return nc, rest
		}
	}
}

// drip writes a byte now and then, for as long as there are any, until the connection ends.
func drip(nc net.Conn, rest []byte) {
	buf := make([]byte, 512)
	for {
		var next time.Time // never
		if len(rest) > 0 {
			next = time.Now().Add(time.Second + mathrand.N(2*time.Second))
		}
		_ = nc.SetReadDeadline(next)
		_, err := nc.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_, _ = nc.Write(rest[:1]) // what is broken is read
			rest = rest[1:]
		} else if err != nil {
			return
		}
	}
}

// cut notes how long a connection has lasted that has ended.
func (l *loiterers) cut(nc net.Conn, kind string, lasted time.Duration) {
	nc.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, nc)
	if !l.over {
		l.lasted[kind] = append(l.lasted[kind], lasted)
	}
}

// count returns how many are open.
func (l *loiterers) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// end closes them all.
func (l *loiterers) end() {
	l.mu.Lock()
	if !l.over {
		l.over = true
		close(l.quit)
	}
	for nc := range l.open {
		nc.Close()
	}
	l.mu.Unlock()
	l.all.Wait()
}
