package transport_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/web"
)

// alone is set in the process of a test that is run alone.
const alone = "ENIGMA_TEST_ALONE"

// beginning is that of a request, after its method.
const beginning = "/nowhere HTTP/1.1\r\nHost: localhost\r\n"

// A head may have as many lines as fit in. What nobody asks for in them changes nothing, and who has thousands of lines that
// are asked for is refused, at once and not when the body is late.
func TestHeads_OfManyLines(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{RateLogins: 1, Page: web.New()})
	filled := strings.Repeat("a:\r\n", 1000) + "a: b\r\n c\r\n"
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	etag := get(t, addr, "/", "Accept: text/html").Header.Get("ETag")
	for _, request := range []string{
		"GET /version HTTP/1.1\r\nHost: localhost\r\nOrigin: https://example.org\r\n",
		"GET /version HTTP/1.0\r\nHost: localhost\r\n",
		"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
		"GET /version HTTP/1.1\r\nHost: rebound.example\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Encoding:\r\n gzip\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nIf-None-Match: *, " + etag + "\r\n",
		"OPTIONS /login HTTP/1.1\r\nHost: localhost\r\nOrigin: https://example.org\r\n",
		"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\n",
		"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n",
		"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\nTransfer-Encoding: chunked\r\n",
		"GET /connect/x HTTP/1.1\r\nHost: localhost\r\n" + upgrade,
		"GET /connect/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n",
	} {
		var answers []string
		for _, head := range []string{request, request[:strings.Index(request, "\n")+1] + filled + request[strings.Index(request, "\n")+1:], request + filled} {
			method, rest, _ := strings.Cut(head, " ")
			r := raw(t, addr, method, rest+"\r\n"+`{"publicKey":"a"}`)
			r.Header.Del("Date")
			r.Header.Del("X-Request-Id")
			answers = append(answers, fmt.Sprint(r.StatusCode, r.Close, r.Header, r.body))
		}
		if answers[1] != answers[0] || answers[2] != answers[0] {
			t.Errorf("%s\nis answered\n%s\nbut with many lines before the others\n%s\nafter them\n%s", request, answers[0], answers[1], answers[2])
		}
	}
	c := dial(t, addr)
	c.send("POST /login HTTP/1.1\r\nHost: localhost\r\n", filled, "Content-Length: 17\r\nExpect: 100-continue\r\n\r\n")
	if r := c.response("POST"); r.StatusCode != 100 {
		t.Errorf("who asks before sending a body is answered %d", r.StatusCode)
	}
	c.send(`{"publicKey":"a"}`)
	c.response("POST").want(t, 200, userBody("a"))
	for n := 0; get(t, addr, "/login/a", strings.TrimSpace(filled), "CF-Connecting-IP: 192.0.2.1").StatusCode != 429; n++ {
		if n > 100 {
			t.Fatal("a proxy that names itself behind many lines is not limited")
		}
	}
	for _, request := range []string{
		strings.Repeat("Origin: x\r\n", 128) + "\r\n",
		strings.Repeat("Accept: x\r\n", 1000) + "Content-Length: 65536\r\n\r\n{",
		"Accept: x" + strings.Repeat("\r\n ", 2000) + "\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	} {
		r := raw(t, addr, "POST", beginning+request)
		r.wantCode(t, protocol.CodeHeadersTooLarge)
		if !r.Close {
			t.Error("the connection stays open")
		}
	}
	raw(t, addr, "GET", "/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n").wantCode(t, protocol.CodeBadRequest)
}

// The memory of a request that is not small is gone when its answer is written, and the answer is still what it should be.
func TestAnswers_ToLargeRequests(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	c := dial(t, addr)
	large := "Host: localhost\r\nX-Fill: " + strings.Repeat("f", 10_000) + "\r\n"
	c.send("HEAD /version HTTP/1.1\r\n", large, "\r\n")
	if r := c.response("HEAD"); r.StatusCode != 200 || r.ContentLength < 1 || r.body != "" {
		t.Errorf("HEAD: %d, %d bytes, %q", r.StatusCode, r.ContentLength, r.body)
	}
	c.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n", large, "\r\n")
	if r := c.response("GET"); r.Header.Get("Connection") != "keep-alive" {
		t.Errorf("a client of HTTP/1.0 is told %q", r.Header)
	}
	c.send("GET /healthz HTTP/1.1\r\nConnection: close\r\n", large, "\r\n")
	if r := c.response("GET"); r.StatusCode != 200 || !r.Close {
		t.Errorf("%d, and the connection stays open: %t", r.StatusCode, !r.Close)
	}
}

// What a connection has asked for leaves nothing large behind while it waits for its next request, and neither does what
// another has asked for, whose memory it may have got.
func TestIdleConnections_HoldLittle(t *testing.T) {
	if os.Getenv(alone) == "" {
		// In a process of its own, where no other test gives memory back meanwhile.
		test := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		test.Env = append(os.Environ(), alone+"=yes")
		if out, err := test.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	get := "GET " + beginning
	// eachLine has a long value in one line after the other, each of which has its place in memory.
	eachLine := func(lines, length int, end string) (requests []string) {
		for n := range lines {
			requests = append(requests, strings.Repeat("a:\r\n", n)+"b:"+strings.Repeat("v", length)+"\r\n"+end)
		}
		return requests
	}
	small := get + "\r\n"
	least := idleMemory(t, small)
	for name, request := range map[string]string{
		"a long target":              "GET /" + strings.Repeat("x", 15_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a long value in each line":  get + strings.Join(eachLine(28, 9_000, "\r\n"), get),
		"a value in each of many":    get + strings.Join(eachLine(100, 500, "\r\n"), get),
		"a value in each of few":     get + strings.Join(eachLine(28, 800, "\r\n"), get),
		"many lines":                 get + strings.Repeat("a:\r\n", 4300) + "\r\n",
		"many lines and a late body": "POST " + beginning + strings.Repeat("a:\r\n", 4000) + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
		"many names in Trailer":      get + "Trailer: a" + strings.Repeat(",a", 100) + "\r\n\r\n",
		"many trailers":              "POST " + beginning + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("a:\r\n", 4300) + "\r\n",
		"a body":                     "POST " + beginning + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536),
		"a large answer":             "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		if got := idleMemory(t, request); got > least+32<<10 {
			t.Errorf("%s: an idle connection holds %d bytes, %d after a small request", name, got, least)
		}
	}
	for name, requests := range map[string][]string{
		"too many lines":      {strings.Repeat("a:\r\n", 4300) + "\r\n"},
		"a line that is none": {strings.Repeat("a:\r\n", 4300) + "b\r\n\r\n"},
		"a body that ends":    eachLine(60, 15_000, "Transfer-Encoding: chunked\r\n\r\n"),
	} {
		if got := idleMemory(t, small, requests...); got > least+64<<10 {
			t.Errorf("%s: an idle connection holds %d bytes, %d after a small request", name, got, least)
		}
	}
}

// idleMemory returns how many bytes of memory a connection takes, both its ends, that has had its requests answered. The
// connections before it have each sent one of the others, and ended.
func idleMemory(t *testing.T, requests string, others ...string) (bytes int) {
	t.Run("", func(t *testing.T) {
		_, addr := serve(t, newAccounts(), transport.Options{}) // until all its connections have ended
		const conns = 20
		before := liveBytes()
		for range conns {
			for _, other := range others {
				c, err := net.Dial("tcp", addr) // dial would keep something of it until the test ends
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(c, "POST "+beginning+other)
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c)
				c.Close()
			}
			c := dial(t, addr)
			go io.WriteString(c, requests)
			for range strings.Count(requests, " HTTP/1.1\r\n") {
				c.response("GET")
			}
		}
		bytes = (liveBytes() - before) / conns
	})
	return bytes
}

func liveBytes() int {
	runtime.GC()
	runtime.GC() // what pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
