package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// secret is in every key, payload and path that the abuser sends.
const secret = "s3cr3tmark"

// abuse sends what makes servers complain, on connections of its own.
func abuse(t *testing.T, addr string, id string) {
	t.Helper()
	upgrade := "GET /ws/" + id + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: 203.0.113.77\r\n"
	var all sync.WaitGroup
	defer all.Wait()
	for _, bytes := range []string{
		"GET /login/" + secret + "%zz HTTP/1.1\r\nHost: " + addr + "\r\n\r\n",
		"GET /login/" + secret + strings.Repeat("k", 9000) + " HTTP/1.1\r\nHost: " + addr + "\r\n\r\n",
		"GET /" + secret + strings.Repeat("k", 32<<10) + " HTTP/1.1\r\nHost: " + addr + "\r\n\r\n",
		"GET /" + secret + "\r\n level=ERROR msg=forged HTTP/1.1\r\nHost: " + secret + ".example\r\n\r\n",
		"GET /login/" + secret + "%0alevel=ERROR%20msg=forged HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-For: 203.0.113.77\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: " + addr + "\r\nContent-Length: 99999999\r\n\r\n" + secret,
		"POST /login HTTP/1.1\r\nHost: " + addr + "\r\nTransfer-Encoding: chunked\r\n\r\n" + secret,
		secret + "\r\n\r\n", "\x16\x03\x01" + secret + "\r\n\r\n",
		upgrade + "\r\n\x81\x05" + secret,                                                      // not masked
		upgrade + "\r\n\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + secret,                      // far too long
		upgrade + "\r\n\x81\x8a\x00\x00\x00\x00" + secret,                                      // no JSON
		upgrade + "\r\n\x82\x8c\x00\x00\x00\x00" + secret + "\xff\xff",                         // no UTF-8
		upgrade + "Sec-WebSocket-Protocol: enigma.v1\r\n\r\n\x81\x8a\x00\x00\x00\x00" + secret, // no proof
		upgrade + "Origin: https://" + secret + ".example\r\n\r\n",
	} {
		all.Go(func() {
			c, err := net.DialTimeout("tcp", addr, patience)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond)) // it answers at once, if it does not wait for more
			_, _ = io.WriteString(c, bytes)                           // it may have hung up already
			_, _ = io.Copy(io.Discard, c)
		})
	}
}

// TestLog_NamesNobody abuses a server that logs all it can, with a store that fails in the end, and finds none of it in
// the log.
func TestLog_NamesNobody(t *testing.T) {
	db := redistest.Start(t)
	for store, where := range map[string]string{"embedded": t.TempDir(), "redis": db.URL()} {
		for _, format := range []string{"text", "json"} {
			t.Run(store+", "+format, func(t *testing.T) {
				s := enigmatest.Start(t, "--store", where, "--log-level", "debug", "--log-format", format, "--rate-logins", "5/s")
				key := must(client.GenerateKey())
				proven := dialProven(t, s, key)
				alice, bob := s.Login(secret+"alice"), s.Login(secret+"bob")
				a := s.Connect(alice)
				a.Send(bob, secret)
				a.Send(secret, secret)
				a.Expect()
				for _, id := range []string{alice, key.ID(), secret} {
					abuse(t, s.Addr, id)
				}
				for range 20 { // over the rate
					req := must(http.NewRequest(http.MethodGet, s.URL("/login/"+secret), nil))
					req.Header.Set("X-Forwarded-For", "203.0.113.77")
					statusOf(t, req)
				}
				finish(t, proven)
				log := s.Log()
				for _, text := range []string{secret, alice, bob, key.ID(), key.PublicKey(), "forged", "203.0.113.77", ".example"} {
					if strings.Contains(log, text) {
						t.Errorf("the log has %q in it:\n%s", text, excerpt(log, text))
					}
				}
			})
		}
	}
}

// excerpt is the first line with a text in it.
func excerpt(log, text string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			return fmt.Sprintf("%.500s", line)
		}
	}
	return ""
}
