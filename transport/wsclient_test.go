package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
)

// backend is a way to carry conns.
type backend struct {
	name    string
	options []actors.Option
}

// onAll runs a test with every back end.
func onAll(t *testing.T, test func(t *testing.T, b backend)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}

// node is a server with a real broker behind it.
type node struct {
	t      *testing.T
	store  *storetest.Memory
	broker *actors.Broker
	server *transport.Server
	addr   string
}

// start starts a node that ends with the test.
func (b backend) start(t *testing.T, opts transport.Options, more ...actors.Option) *node {
	t.Helper()
	n := b.startBroker(t, more...)
	n.server, n.addr = serve(t, n.broker, opts)
	n.endBroker()
	return n
}

func (b backend) startBroker(t *testing.T, more ...actors.Option) *node {
	t.Helper()
	store := storetest.NewMemory(persistence.Quota{Messages: 100_000, Bytes: 256 << 20})
	all := append([]actors.Option{actors.WithStore(store), actors.WithLogger(testLog())}, b.options...)
	broker, err := actors.New(append(all, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return &node{t: t, store: store, broker: broker}
}

// endBroker has the broker shut down before the server does, as a program does it.
func (n *node) endBroker() {
	n.t.Cleanup(func() { n.shutdown() })
}

func (n *node) shutdown() {
	n.server.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.broker.Shutdown(ctx); err != nil {
		n.t.Errorf("broker: %v", err)
	}
}

// login makes a user known.
func (n *node) login(key string) protocol.UserID {
	n.t.Helper()
	id, err := n.broker.Login(context.Background(), []byte(key))
	if err != nil {
		n.t.Fatal(err)
	}
	return id
}

const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="     // RFC 6455, section 1.3
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // its answer
)

func upgradeRequest(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: enigma.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n" + strings.Join(append(headers, "", ""), "\r\n")
}

// wsConn is a WebSocket client that does what a test tells it, and nothing else but to answer Pings.
type wsConn struct {
	*rawConn
	id   protocol.UserID
	deaf bool // it does not answer Pings
}

// connect upgrades a connection of a user, who is logged in.
func (n *node) connect(key string, headers ...string) *wsConn {
	n.t.Helper()
	return n.upgrade(n.login(key), headers...)
}

func (n *node) upgrade(id protocol.UserID, headers ...string) *wsConn {
	n.t.Helper()
	c := dial(n.t, n.addr)
	c.send(upgradeRequest("/ws/"+id.String(), headers...))
	if r := c.response("GET"); r.StatusCode != http.StatusSwitchingProtocols {
		n.t.Fatalf("upgrade: %d %s", r.StatusCode, r.body)
	}
	return &wsConn{rawConn: c, id: id}
}

// attached waits until the connection is attached, which it need not be when the upgrade is answered.
func (c *wsConn) attached() *wsConn {
	c.t.Helper()
	c.sendText(envelope(c.id, c.id, "attached"))
	c.want(envelope(c.id, c.id, "attached"))
	return c
}

// frame is what a server sends.
type frame struct {
	op      byte
	payload []byte
}

var errMasked = errors.New("masked")

func (c *wsConn) readFrame() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return frame{}, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return frame{}, errMasked
	}
	n := uint64(head[1])
	if n >= 126 {
		var ext [8]byte
		wide := map[uint64]int{126: 2, 127: 8}[n]
		if _, err := io.ReadFull(c.r, ext[8-wide:]); err != nil {
			return frame{}, err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(c.r, payload)
	return frame{head[0] & 15, payload}, err
}

// read returns the next frame that is not a Ping; it answers those.
func (c *wsConn) read() (frame, error) {
	for {
		f, err := c.readFrame()
		if err != nil || f.op != 9 {
			return f, err
		}
		if !c.deaf {
			c.Write(clientFrame(0x8a, f.payload))
		}
	}
}

// want reads the next text frame and checks it.
func (c *wsConn) want(text string) {
	c.t.Helper()
	f, err := c.read()
	if err != nil || f.op != 1 || string(f.payload) != text {
		c.t.Fatalf("got %d %.200q, %v, want %.200q", f.op, f.payload, err, text)
	}
}

func (c *wsConn) wantError(code protocol.Code, to []byte) {
	c.t.Helper()
	c.want(string(protocol.AppendError(nil, code, to)))
}

// wantClose reads the close frame, answers it, and expects an orderly end of the stream.
func (c *wsConn) wantClose(code int) {
	c.t.Helper()
	f, err := c.read()
	if err != nil || f.op != 8 {
		c.t.Fatalf("got %d %.200q, %v, want close %d", f.op, f.payload, err, code)
	}
	got := 0
	if len(f.payload) >= 2 {
		got = int(binary.BigEndian.Uint16(f.payload))
	}
	if got != code {
		c.t.Errorf("closed with %d %q, want %d", got, f.payload, code)
	}
	c.Write(clientFrame(0x88, f.payload))
	c.wantEOF()
}

func (c *wsConn) wantEOF() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		c.t.Errorf("after the close: %q, %v", b, err)
	}
}

// clientFrame encodes a masked frame.
func clientFrame(first byte, payload []byte) []byte {
	var b []byte
	switch n := len(payload); {
	case n < 126:
		b = []byte{first, 0x80 | byte(n)}
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	default:
		b = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func textFrame(text string) []byte { return clientFrame(0x81, []byte(text)) }

func (c *wsConn) sendText(texts ...string) {
	c.t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		b.Write(textFrame(text))
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

// envelope is a message of the plain profile, as the server forwards it.
func envelope(from, to protocol.UserID, payload string) string {
	quoted, _ := json.Marshal(payload)
	return fmt.Sprintf(`{"from":"%s","to":"%s","payload":%s}`, from, to, quoted)
}

// drop ends the connection with a reset.
func (c *wsConn) drop() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// eventually waits until a condition holds that no frame tells of.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
