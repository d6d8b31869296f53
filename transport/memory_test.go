package transport_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

// alone is set in the process of a test that is run alone.
const alone = "ENIGMA_TEST_ALONE"

// beginning is that of a request, after its method.
const beginning = "/nowhere HTTP/1.1\r\nHost: localhost\r\n"

func TestHeads_OfManyLinesAreRefused(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	const most = 128 // with the line of Host and the empty one
	raw(t, addr, "GET", beginning+strings.Repeat("a:\r\n", most-2)+"\r\n").wantCode(t, protocol.CodeNotFound)
	raw(t, addr, "GET", beginning+"Trailer: a"+strings.Repeat(",a", most-4)+"\r\n\r\n").wantCode(t, protocol.CodeNotFound)
	for _, request := range []string{
		strings.Repeat("a:\r\n", most-1) + "\r\n",
		strings.Repeat("a:\r\n", 4300) + "\r\n",
		"a:" + strings.Repeat("\r\n b", most) + "\r\n\r\n",
		strings.Repeat("a:\r\n", 4000) + "Content-Length: 65536\r\n\r\n{", // at once, not when the rest of the body is late
		strings.Repeat("a:\r\n", 4000) + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
		"Trailer: a" + strings.Repeat(",a", most-3) + "\r\n\r\n",
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
		"a long target":             "GET /" + strings.Repeat("x", 15_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a long value in each line": get + strings.Join(eachLine(28, 9_000, "\r\n"), get),
		"a value in each of many":   get + strings.Join(eachLine(100, 500, "\r\n"), get),
		"a value in each of few":    get + strings.Join(eachLine(28, 800, "\r\n"), get),
		"many names in Trailer":     get + "Trailer: a" + strings.Repeat(",a", 100) + "\r\n\r\n",
		"many trailers":             "POST " + beginning + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("a:\r\n", 4300) + "\r\n",
		"a body":                    "POST " + beginning + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536),
		"a large answer":            "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
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
