package transport_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

// Whoever connects and says nothing, or half of what begins TLS, is gone when the time for a request is over.
func TestSilentConnectionsEnd(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	defer site.Close()
	opts := transport.Options{ReadTimeout: 100 * time.Millisecond}
	_, plain := serve(t, newAccounts(), opts)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, newAccounts(), opts, transport.NewTLSListener(ln, &tls.Config{Certificates: site.TLS.Certificates}))
	for _, addr := range []string{plain, ln.Addr().String()} {
		for _, said := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
			c := dial(t, addr)
			c.send(said)
			if _, err := io.Copy(io.Discard, c); err != nil { // within the test's patience
				t.Errorf("%q: %v", said, err)
			}
		}
	}
}

// A TLS handshake that is longer than any client's is not waited for, and none is held against what comes after it.
func TestTLS_LongHandshakesEnd(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	defer site.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, newAccounts(), transport.Options{ReadTimeout: time.Minute}, transport.NewTLSListener(ln, &tls.Config{Certificates: site.TLS.Certificates}))
	addr := ln.Addr().String()

	c := dial(t, addr)
	record := "\x16\x03\x01\x10\x00"
	c.send(record, "\x01\x01\x00\x00\x03\x03", strings.Repeat("a", 4096-6), strings.Repeat(record+strings.Repeat("b", 4096), 4))
	var late net.Error
	if _, err := io.Copy(io.Discard, c); errors.As(err, &late) && late.Timeout() {
		t.Error("a ClientHello of 64 KiB is waited for")
	}

	secure, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: strings.Split(strings.Repeat("a protocol,", 700), ",")[:700]})
	if err != nil {
		t.Fatalf("a ClientHello of 8 KB: %v", err)
	}
	defer secure.Close()
	long := &rawConn{Conn: secure, t: t, r: bufio.NewReader(secure)}
	for range 3 {
		long.send("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60021\r\n\r\n", strings.Repeat(" ", 60_000), `{"publicKey":"alice"}`)
		long.response("POST").want(t, 200, userBody("alice"))
	}
}

// A connection that has been answered waits for its next request for IdleTimeout, and no longer.
func TestIdleConnectionsEnd(t *testing.T) {
	const idle = 200 * time.Millisecond
	_, addr := serve(t, newAccounts(), transport.Options{ReadTimeout: time.Minute, IdleTimeout: idle})
	c, begin := dial(t, addr), time.Now()
	for range 2 {
		begin = time.Now()
		c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c.response("GET").want(t, 200, `{"status":"ok"}`)
	}
	if n, err := io.Copy(io.Discard, c.r); n != 0 || err != nil { // within the test's patience
		t.Errorf("an idle connection reads %d bytes and %v", n, err)
	}
	if lasted := time.Since(begin); lasted < idle {
		t.Errorf("it has ended after %s of %s", lasted, idle)
	}
}

// Who does not read an answer is cut when WriteTimeout is over, and what is left of the answer is gone.
func TestUnreadAnswersEnd(t *testing.T) {
	const (
		size   = 16 << 20 // more than the kernel holds at both ends
		unread = 200 * time.Millisecond
	)
	broker := newAccounts()
	key := strings.Repeat("k", size)
	id := protocol.NewUserID([]byte(key))
	broker.keys[id] = key
	s, addr := serve(t, broker, transport.Options{ReadTimeout: time.Minute, IdleTimeout: time.Minute, WriteTimeout: unread})
	c, begin := dial(t, addr), time.Now()
	c.send("GET /connect/", id.String(), " HTTP/1.1\r\nHost: localhost\r\n\r\n")
	eventually(t, "the answer is given", func() bool { return s.Stats().Answers[200] == 1 })
	eventually(t, "the connection is closed", func() bool { return s.Stats().HTTPConns == 0 })
	if lasted := time.Since(begin); lasted < unread {
		t.Errorf("it has ended after %s of %s", lasted, unread)
	}
	if n, err := io.Copy(io.Discard, c.r); n >= size || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("there were %d bytes to read, and %v", n, err)
	}
}

// There are so many connections that speak HTTP and no more, whatever becomes of them: one that is upgraded leaves a
// place, and one that is refused takes none, also of those of all connections together.
func TestHTTPConns_AreBounded(t *testing.T) {
	const limit = 3
	n := backends[0].start(t, transport.Options{MaxConns: limit + 2}.WithMaxHTTPConns(limit))
	id := n.login("alice")
	ask := func(c *rawConn) response {
		c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		return c.response("GET")
	}
	refused := func() {
		t.Helper()
		for range 4 {
			c := dial(t, n.addr) // and says nothing: it is refused for coming
			c.response("GET").wantCode(t, protocol.CodeStoreUnavailable)
			if _, err := c.r.ReadByte(); err != io.EOF {
				t.Errorf("the connection that is refused reads %v", err)
			}
		}
	}
	var conns []*rawConn
	for range limit {
		c := dial(t, n.addr)
		ask(c).want(t, 200, `{"status":"ok"}`)
		conns = append(conns, c)
	}
	refused()
	for _, c := range conns { // they go on
		ask(c).want(t, 200, `{"status":"ok"}`)
	}

	conns[0].send(upgradeRequest("/ws/" + id.String()))
	if r := conns[0].response("GET"); r.StatusCode != 101 {
		t.Fatalf("the upgrade is answered %d", r.StatusCode)
	}
	eventually(t, "one is upgraded", func() bool { return n.server.Stats().HTTPConns == limit-1 })
	conns[0] = dial(t, n.addr)
	ask(conns[0]).want(t, 200, `{"status":"ok"}`)
	refused()

	conns[1].Close()
	eventually(t, "one has left", func() bool { return n.server.Stats().HTTPConns == limit-1 })
	ask(dial(t, n.addr)).want(t, 200, `{"status":"ok"}`)
	refused()
}
