package transport_test

import (
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/transport"
)

// Each test here has a conn's code panic, and looks at everybody else.

func TestPanic_OfAConnEndsOnlyThatConn(t *testing.T) {
	for _, c := range []struct {
		in    string // methods of its link that panic
		input string // what the conn reads then; {} is an envelope
		code  int    // what it is closed with; 0: without a word
		count uint64
	}{
		{"Submit", "{}", 1011, 1},
		{"Submit Fail", "{}", 0, 2},         // while it is being ended
		{"Fail", "half a frame", 1011, 1},   // by a timer
		{"Fail Fail", "half a frame", 0, 2}, // by a timer, and while it is being ended
		{"Submit Detach", "{}", 1011, 2},    // at its very end
	} {
		t.Run(c.in, func(t *testing.T) {
			onAll(t, func(t *testing.T, b backend) {
				var log logBuffer
				n := b.start(t, transport.Options{FrameTimeout: 30 * time.Millisecond},
					actors.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				alice, bob, carol := n.connect("alice").attached(), n.connect("bob").attached(), n.connect("carol").attached()
				alice.deaf = true
				bob.sendText(envelope(bob.id, alice.id, "unconfirmed"))
				alice.want(envelope(bob.id, alice.id, "unconfirmed"))
				n.server.Explode(n.broker.ShardFor(alice.id), alice.id, c.in)
				if c.input == "{}" {
					alice.sendText(envelope(alice.id, bob.id, "boom"))
				} else {
					alice.Write(textFrame(c.input)[:5])
				}
				alice.wantTold(c.code)
				alice.Close()
				eventually(t, "the socket is closed and counted off", func() bool { return n.server.Stats().Conns == 2 })
				bob.sendText(envelope(bob.id, carol.id, "still here"))
				carol.want(envelope(bob.id, carol.id, "still here"))
				n.upgrade(alice.id).seek(envelope(bob.id, alice.id, "unconfirmed"))
				if got := n.broker.Stats().Panics; got != c.count || log.count("work on a conn panicked") != int(c.count) {
					t.Errorf("%d panics counted, want %d; the log:\n%s", got, c.count, log.text.String())
				}
			})
		})
	}
}

// wantTold expects a close with a code, and answers it; or with code 0 the end without a word.
func (c *wsConn) wantTold(code int) {
	c.t.Helper()
	f, err := c.read()
	switch {
	case code == 0 && err != nil:
	case code == 0 || err != nil || f.op != 8 || len(f.payload) < 2 || int(binary.BigEndian.Uint16(f.payload)) != code:
		c.t.Errorf("it is told %d %q, %v; want close %d", f.op, f.payload, err, code)
	default:
		c.Write(clientFrame(0x88, f.payload))
	}
}

// seek reads up to a text frame, over what may come again.
func (c *wsConn) seek(text string) {
	c.t.Helper()
	for {
		f, err := c.read()
		if err != nil {
			c.t.Fatalf("%v before %.200q", err, text)
		}
		if string(f.payload) == text {
			return
		}
	}
}

// fragile is a host's listener whose connections panic when they are told to.
type fragile struct {
	net.Listener
	in atomic.Value // string: a method
}

func (l *fragile) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fragileConn{nc.(*net.TCPConn), l}, nil
}

type fragileConn struct {
	*net.TCPConn
	l *fragile
}

func (c *fragileConn) blow(method string) {
	if c.l.in.CompareAndSwap(method, "") {
		panic("exploded in " + method)
	}
}

func (c *fragileConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.blow("Read")
	return n, err
}

func (c *fragileConn) Write(p []byte) (int, error) {
	c.blow("Write")
	return c.TCPConn.Write(p)
}

func (c *fragileConn) Close() error {
	defer c.TCPConn.Close()
	c.blow("Close")
	return nil
}

// A connection that a host's listener has accepted is the host's code, on goroutines of the transport.
func TestPanic_OfAHostsConnectionEndsOnlyThatOne(t *testing.T) {
	for in, code := range map[string]int{"Read": 1011, "Write": 0, "Close": 1000} {
		t.Run(in, func(t *testing.T) {
			var log logBuffer
			n := backend{}.startBroker(t, actors.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := &fragile{Listener: ln}
			l.in.Store("")
			n.server, n.addr = serveOn(t, n.broker, transport.Options{}, l), ln.Addr().String()
			n.endBroker()
			alice, bob, carol := n.connect("alice").attached(), n.connect("bob").attached(), n.connect("carol").attached()
			l.in.Store(in)
			switch in {
			case "Write":
				n.broker.SubmitFunc(actors.Envelope{From: bob.id, To: alice.id, Payload: "boom"}, func(error) {})
			case "Read":
				alice.sendText(envelope(alice.id, bob.id, "boom"))
			case "Close":
				alice.Write(clientFrame(0x88, []byte{1000 >> 8, 1000 & 0xff}))
			}
			alice.wantTold(code)
			alice.drop()
			eventually(t, "the panic is counted", func() bool { return n.broker.Stats().Panics == 1 })
			eventually(t, "the connection is counted off", func() bool { return n.server.Stats().Conns == 2 })
			bob.sendText(envelope(bob.id, carol.id, "still here"))
			carol.want(envelope(bob.id, carol.id, "still here"))
			if !strings.Contains(log.text.String(), "exploded in "+in) {
				t.Errorf("the log:\n%s", log.text.String())
			}
			if in == "Write" {
				n.upgrade(alice.id).seek(envelope(bob.id, alice.id, "boom"))
			}
		})
	}
}
