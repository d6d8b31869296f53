package transport_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
