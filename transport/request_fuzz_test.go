package transport_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

// requestSeeds are requests on both sides of every rule about targets, headers and bodies.
func requestSeeds() []string {
	seeds := []string{
		upgradeRequest("/ws/" + strings.Repeat("a", 32)),
		upgradeRequest("/ws/fpmansl7byak6gq7ymzi7j3dvetjoi6i", offerV1, "X-Forwarded-For: 192.0.2.1, 10.0.0.1"),
		strings.Replace(upgradeRequest("/ws/x"), "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=", 1),
		"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n{\"publicKey\":\"alice\"}",
		"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n{\"publicKey\":\"alice\"}\r\n0\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /login/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /login/a HTTP/1.1\nHost: a\n folded\n\n",
		"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
		"GET /login/a HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:\r\n", 125) + "b:\r\n\r\n", "GET /? /login/a HTTP/1.1\r\nHost: a\r\n\r\n",
	}
	for _, target := range []string{
		"/login/a", "/login/a%2Fb//c/../d?e", "/login/%0d%0aSet-Cookie:x", "/login/", "/login/a#b?c", "/?/login/a", "/login/" + strings.Repeat("/.", 4000), "http://a/" + strings.Repeat("/", 9000), "//login/a", "/login//a",
		"http://a/login/b", "http://a", "login/a", "*", "/connect/fpmansl7byak6gq7ymzi7j3dvetjoi6i", "/connect/%00", "/version", "/readyz", "/healthz/",
	} {
		seeds = append(seeds, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	return seeds
}

// FuzzRequest holds that whatever a client sends is answered in JSON with a code that has the answer's status, that
// nothing of the request gets into the answer's headers, and that a key in a path is stored as it was meant.
func FuzzRequest(f *testing.F) {
	for _, seed := range requestSeeds() {
		f.Add([]byte(seed))
	}
	peer := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	broker := newAccounts()
	s, err := transport.New(broker, transport.Options{RateLogins: -1, Log: testLog()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		clear(broker.keys)
		var ctx fasthttp.RequestCtx
		ctx.Init(new(fasthttp.Request), peer, nil)
		if target, err := s.Read(&ctx, bufio.NewReaderSize(bytes.NewReader(input), 18<<10)); err != nil {
			s.ErrorHandler()(&ctx, err)
		} else {
			host := string(ctx.Request.Header.Host()) // before the handler makes another of it
			s.Handler()(&ctx)
			checkStored(t, target, host, &ctx, broker)
		}
		checkAnswer(t, &ctx.Response)
	})
}

// answerHeaders are all that an answer may have.
var answerHeaders = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Server": true, "Date": true, "Connection": true, "Upgrade": true,
	"Access-Control-Allow-Origin": true, "Access-Control-Allow-Methods": true, "Access-Control-Allow-Headers": true,
	"Access-Control-Max-Age": true, "Cache-Control": true, "Retry-After": true, "Vary": true, "X-Content-Type-Options": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Version": true, "Allow": true,
	"Referrer-Policy": true, "Content-Security-Policy": true,
}

func checkAnswer(t *testing.T, r *fasthttp.Response) {
	t.Helper()
	for name, value := range r.Header.All() {
		if !answerHeaders[string(name)] || bytes.ContainsAny(value, "\r\n") {
			t.Fatalf("answered with the header %q: %q", name, value)
		}
	}
	if got := string(r.Header.Peek("Access-Control-Allow-Origin")); got != "*" {
		t.Fatalf("allowed origin %q", got)
	}
	body, status := r.Body(), r.StatusCode()
	if status == fasthttp.StatusSwitchingProtocols || status == fasthttp.StatusNoContent {
		if len(body) > 0 {
			t.Fatalf("%d with the body %q", status, body)
		}
		return
	}
	var answer struct{ Error, Code string }
	if !json.Valid(body) || json.Unmarshal(body, &answer) != nil || status != 200 && (answer.Error == "" || answer.Code == "") {
		t.Fatalf("%d %q", status, body)
	}
	if status >= 500 {
		t.Fatalf("%d %q, and nothing is wrong with the broker", status, body)
	}
}

// checkStored compares the key that was stored with the one in the target, as net/url decodes it. Nothing may be stored for
// a target that names another host than the Host header.
func checkStored(t *testing.T, target, host string, ctx *fasthttp.RequestCtx, broker *accounts) {
	t.Helper()
	if !ctx.IsGet() {
		return
	}
	path, _, _ := strings.Cut(target, "?")
	deceptive := false
	if !strings.HasPrefix(path, "/") {
		_, rest, _ := strings.Cut(path, "://")
		named, rest, _ := strings.Cut(rest, "/")
		a, ok := protocol.Authority(named)
		b, _ := protocol.Authority(host)
		path, deceptive = "/"+rest, !ok || a != b
	}
	raw, isLogin := strings.CutPrefix(path, "/login/")
	key, err := url.PathUnescape(raw)
	stored := isLogin && !deceptive && err == nil && protocol.CheckKey([]byte(key)) == protocol.CodeNone
	if got, is := broker.keys[protocol.NewUserID([]byte(key))]; stored != is || stored && got != key || !stored && len(broker.keys) > 0 {
		t.Fatalf("%q stored %q, want %q %v", target, broker.keys, key, stored)
	}
	if is := ctx.Response.StatusCode() == 200; isLogin && is != stored {
		t.Fatalf("%q is answered with %d", target, ctx.Response.StatusCode())
	}
}
