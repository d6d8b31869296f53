package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/web"
)

func itoa(n int) string { return strconv.Itoa(n) }

const aliceID = "fpmansl7byak6gq7ymzi7j3dvetjoi6i" // of the key "alice"

func userBody(key string) string {
	id := protocol.NewUserID([]byte(key)).String()
	return fmt.Sprintf(`{"userId":"%s","user":"%s"}`, id, id)
}

func TestConnect(t *testing.T) {
	broker := newAccounts()
	_, addr := serve(t, broker, transport.Options{})
	key := "-----BEGIN\r\n\"ü\\<&>"
	id := protocol.NewUserID([]byte(key)).String()
	broker.keys[protocol.NewUserID([]byte(key))] = key

	r := get(t, addr, "/connect/"+id+"?x=y")
	var got map[string]string
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	if len(got) != 3 || got["userId"] != id || got["user"] != id || got["publicKey"] != key {
		t.Errorf("got %s", r.body)
	}
	if cache := r.Header.Get("Cache-Control"); cache != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control %q", cache)
	}
	for _, unknown := range []string{aliceID, strings.ToUpper(id), id[1:], id + "a", "x", "%2e%2e", strings.Repeat("1", 32)} {
		get(t, addr, "/connect/"+unknown).wantCode(t, protocol.CodeUserNotFound)
	}
	for _, path := range []string{"/connect/", "/connect", "/connect/" + id + "/", "/connect/" + id + "/x", "//connect/" + id, "/./connect/" + id} {
		get(t, addr, path).wantCode(t, protocol.CodeNotFound)
	}
}

func TestErrorsOfTheBrokerKeepTheirCode(t *testing.T) {
	broker := newAccounts()
	_, addr := serve(t, broker, transport.Options{RateLogins: -1})
	for _, code := range []protocol.Code{protocol.CodeStoreUnavailable, protocol.CodeStoreFull, protocol.CodeKeyNotProvable, protocol.CodeInternal} {
		broker.fail(code)
		get(t, addr, "/login/alice").wantCode(t, code)
		get(t, addr, "/connect/"+aliceID).wantCode(t, code)
	}
	get(t, addr, "/readyz").wantCode(t, protocol.CodeStoreUnavailable)
	get(t, addr, "/healthz").want(t, 200, `{"status":"ok"}`)
}

func TestStatusAndVersion(t *testing.T) {
	s, addr := serve(t, newAccounts(), transport.Options{Version: `v"1`, Page: web.New()})
	for _, path := range []string{"/", "/healthz", "/readyz", "http://enigma.localhost", "http://enigma.localhost?x"} {
		get(t, addr, path).want(t, 200, `{"status":"ok"}`)
	}
	var v struct {
		Version   string
		Protocols []string
		Limits    map[string]int64
	}
	if err := json.Unmarshal([]byte(get(t, addr, "/version").body), &v); err != nil {
		t.Fatal(err)
	}
	if v.Version != `v"1` || fmt.Sprint(v.Protocols) != "[enigma.v1]" || v.Limits["maxMessage"] != 128<<10 || len(v.Limits) != 6 {
		t.Errorf("version says %+v", v)
	}
	s.Drain()
	get(t, addr, "/healthz").want(t, 200, `{"status":"ok"}`)
	get(t, addr, "/readyz").wantCode(t, protocol.CodeStoreUnavailable)
}

func TestMethods(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	for _, tt := range []struct{ method, path, allow string }{
		{"HEAD", "/login/alice", "GET, OPTIONS"},
		{"POST", "/login/alice", "GET, OPTIONS"},
		{"PUT", "/login/alice", "GET, OPTIONS"},
		{"GET", "/login", "OPTIONS, POST"},
		{"HEAD", "/login", "OPTIONS, POST"},
		{"POST", "/connect/" + aliceID, "GET, HEAD, OPTIONS"},
		{"DELETE", "/", "GET, HEAD, OPTIONS"},
		{"BREW", "/version", "GET, HEAD, OPTIONS"},
		{"get", "/version", "GET, HEAD, OPTIONS"},
		{"POST", "/ws/" + aliceID, "GET, HEAD, OPTIONS"},
	} {
		r := do(t, addr, tt.method, tt.path, "")
		if tt.method == "HEAD" {
			if r.StatusCode != 405 || r.body != "" {
				t.Errorf("HEAD %s: %d %q", tt.path, r.StatusCode, r.body)
			}
		} else {
			r.wantCode(t, protocol.CodeMethodNotAllowed)
		}
		if got := r.Header.Get("Allow"); got != tt.allow {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, got)
		}
	}
	head, whole := do(t, addr, "HEAD", "/version", ""), get(t, addr, "/version")
	if head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(whole.body)) {
		t.Errorf("HEAD: %d %q, length %d", head.StatusCode, head.body, head.ContentLength)
	}
	for _, path := range []string{"/nowhere", "/favicon.ico", "/login2/x", "/LOGIN/x", "/version/", "//version", "/%76ersion"} {
		get(t, addr, path).wantCode(t, protocol.CodeNotFound)
	}
	for _, target := range []string{"*", "enigma.localhost:80", "version"} {
		get(t, addr, target).wantCode(t, protocol.CodeBadRequest)
	}
	do(t, addr, "CONNECT", "enigma.localhost:80", "").wantCode(t, protocol.CodeBadRequest)
}

func TestCORS(t *testing.T) {
	_, open := serve(t, newAccounts(), transport.Options{})
	_, listed := serve(t, newAccounts(), transport.Options{Origins: []string{"https://a.example", "http://B.example:8080"}})
	for _, path := range []string{"/version", "/nowhere", "/login/%", "/connect/x"} {
		r := get(t, open, path, "Origin: https://anyone.example")
		if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, r.Header)
		}
		for _, origin := range []string{"https://a.example", "http://b.example:8080"} {
			r := get(t, listed, path, "Origin: "+origin)
			if r.Header.Get("Access-Control-Allow-Origin") != origin || r.Header.Get("Vary") != "Origin" {
				t.Errorf("%s from %s: %v", path, origin, r.Header)
			}
		}
	}
	for _, origin := range []string{"https://b.example", "http://a.example", "https://a.example.evil", "null", "https://a.example\r\nOrigin: https://c.example"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			r := do(t, listed, method, "/version", "", "Origin: "+origin)
			r.wantCode(t, protocol.CodeOriginRefused)
			if r.Header.Get("Access-Control-Allow-Origin") != "" || r.Header.Get("Vary") != "Origin" {
				t.Errorf("refused, but %v", r.Header)
			}
		}
	}
	if r := get(t, listed, "/version"); r.StatusCode != 200 {
		t.Errorf("without an origin: %d", r.StatusCode)
	}
	for _, addr := range []string{open, listed} {
		r := do(t, addr, "OPTIONS", "/login", "", "Origin: https://a.example", "Access-Control-Request-Method: POST")
		h := r.Header
		if r.StatusCode != 204 || r.body != "" || h.Get("Access-Control-Allow-Methods") != "GET, POST" ||
			h.Get("Access-Control-Allow-Headers") != "Content-Type" || h.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("preflight: %d %v", r.StatusCode, h)
		}
	}
	if r := do(t, open, "OPTIONS", "*", ""); r.StatusCode != 204 {
		t.Errorf("OPTIONS *: %d", r.StatusCode)
	}
	// The parser's errors too.
	if r := raw(t, open, "GET", "/ HTTP/1.1\r\n\r\n"); r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a parser's error: %v", r.Header)
	}
}

func TestHeads(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{RateLogins: -1})
	get(t, addr, "/version", "Cookie: "+strings.Repeat("c", 8<<10)).want(t, 200, get(t, addr, "/version").body)
	// A head of exactly 16 KiB.
	head := "/login/" + strings.Repeat("k", 8000) + " HTTP/1.1\r\nHost: localhost\r\nX-Fill: "
	fill := 16<<10 - len("GET ") - len(head) - len("\r\n\r\n")
	raw(t, addr, "GET", head+strings.Repeat("f", fill)+"\r\n\r\n").want(t, 200, userBody(strings.Repeat("k", 8000)))
	get(t, addr, "/version", "Cookie: "+strings.Repeat("c", 32<<10)).wantCode(t, protocol.CodeHeadersTooLarge)
	for _, request := range []string{
		"/version HTTP/1.1\r\n\r\n",                                                              // no Host
		"/version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                                        // two
		"/version HTTP/1.1\r\nHost: [\r\n\r\n",                                                   // none that can be
		"/version\r\nHost: localhost\r\n\r\n",                                                    // HTTP/0.9
		"/version HTTP/9.x\r\nHost: localhost\r\n\r\n",                                           //
		"/version HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", //
		"/version HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",                //
		"/version HTTP/1.1\r\nHost : x\r\n\r\n",                                                  //
		"/version HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"/version HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 5\r\n\r\n0\r\n\r\n",
	} {
		r := raw(t, addr, "GET", request)
		r.wantCode(t, protocol.CodeBadRequest)
		if !r.Close {
			t.Error("the connection stays open")
		}
	}
	raw(t, addr, "GET", "/version HTTP/1.0\r\n\r\n").want(t, 200, get(t, addr, "/version").body)
}

func TestSlowRequestsEnd(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{ReadTimeout: 50 * time.Millisecond})
	for _, part := range []string{"GET /version HTTP/1.1\r\nHost: localhost\r\n", "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"} {
		c := dial(t, addr)
		c.send(part)
		r := c.response("GET")
		r.want(t, 408, string(protocol.AppendError(nil, protocol.CodeBadRequest, nil)))
		if !r.Close {
			t.Error("the connection stays open")
		}
	}
}

func TestKeepAliveAndPipelining(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{RateLogins: -1})
	c := dial(t, addr)
	c.send("GET /login/a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /login/b/c?d HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c.response("GET").want(t, 200, userBody("a"))
	c.response("GET").want(t, 200, userBody("b/c"))
	c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c.response("GET").want(t, 200, `{"status":"ok"}`)
}

func TestPanicIsAnswered(t *testing.T) {
	broker := newAccounts()
	_, addr := serve(t, broker, transport.Options{RateLogins: -1})
	broker.panic = true
	r := get(t, addr, "/login/alice")
	r.wantCode(t, protocol.CodeInternal)
	if r.Header.Get("Access-Control-Allow-Origin") != "*" || !r.Close {
		t.Errorf("%v", r.Header)
	}
	get(t, addr, "/healthz").want(t, 200, `{"status":"ok"}`)
}

func TestShutdown_EndsSilentConnections(t *testing.T) {
	s, addr := serve(t, newAccounts(), transport.Options{})
	dial(t, addr) // and nothing more
	idle := dial(t, addr)
	idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	idle.response("GET")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if _, err := idle.r.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection reads %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it still listens")
	}
}

func TestShutdown_IsNoErrorWhenNothingIsLeft(t *testing.T) {
	s, addr := serve(t, newAccounts(), transport.Options{})
	idle := dial(t, addr)
	idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	idle.response("GET")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // an earlier step took all the time there was
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestNew_RefusesBadOptions(t *testing.T) {
	for _, opts := range []transport.Options{
		{Prefix: "x"}, {Prefix: "/x/"}, {Origins: []string{"example.com"}}, {Origins: []string{"https://example.com/"}},
	} {
		if _, err := transport.New(newAccounts(), opts); err == nil {
			t.Errorf("%+v is taken", opts)
		}
	}
}

func TestHandler_UnderAPrefix(t *testing.T) {
	s, err := transport.New(newAccounts(), transport.Options{Prefix: "/broker", Log: testLog()})
	if err != nil {
		t.Fatal(err)
	}
	host := &fasthttp.Server{Handler: s.Handler(), Name: "enigma", ErrorHandler: s.ErrorHandler(), KeepHijackedConns: true, CloseOnShutdown: true}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go host.Serve(ln)
	t.Cleanup(func() { host.Shutdown() })
	addr := ln.Addr().String()
	get(t, addr, "/broker/login/a//b", "Connection: close").want(t, 200, userBody("a//b"))
	get(t, addr, "/broker", "Connection: close").want(t, 200, `{"status":"ok"}`)
	get(t, addr, "/broker/", "Connection: close").want(t, 200, `{"status":"ok"}`)
	get(t, addr, "/login/a", "Connection: close").wantCode(t, protocol.CodeNotFound)
	get(t, addr, "/brokerx/login/a", "Connection: close").wantCode(t, protocol.CodeNotFound)
}
