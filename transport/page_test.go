package transport_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/web"
)

const asBrowser = "Accept: application/xml;q=0.9, Text/HTML"

func TestPage_IsForBrowsersWhoHoldItToItsPolicy(t *testing.T) {
	site := web.New()
	_, addr := serve(t, newAccounts(), transport.Options{Page: site})
	r := get(t, addr, "/", asBrowser)
	if r.StatusCode != 200 || r.body != string(site.Page().Body) || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("a browser gets %d %s %.60q", r.StatusCode, r.Header.Get("Content-Type"), r.body)
	}
	if got := strings.Join(r.Header.Values("Vary"), ","); got != "Accept,Accept-Encoding" {
		t.Errorf("Vary %q", got)
	}
	policy := r.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self' ws://enigma.localhost wss://enigma.localhost;", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is without %q: %s", want, policy)
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-cache",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	get(t, addr, "/").want(t, 200, `{"status":"ok"}`)
	get(t, addr, "/", "Accept: */*").want(t, 200, `{"status":"ok"}`)
}

// A browser that has had the page by TLS comes by nothing else to its host. What a proxy makes of it is the proxy's affair,
// and localhost belongs to other programs too.
func TestPage_ByTLSAsksForTLS(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	defer site.Close()
	opts := transport.Options{Page: web.New(), PublicHosts: []string{"chat.example"}}
	_, plain := serve(t, newAccounts(), opts)
	listen := func() (ln net.Listener, addr string) {
		inner := must(net.Listen("tcp", "127.0.0.1:0"))
		return tls.NewListener(inner, &tls.Config{Certificates: site.TLS.Certificates}), inner.Addr().String()
	}
	own, byTLS := listen()
	s := serveOn(t, newAccounts(), opts, own)
	foreign, embedded := listen()
	host := &fasthttp.Server{Handler: s.Handler(), KeepHijackedConns: true}
	go host.Serve(foreign)
	t.Cleanup(func() { host.Shutdown() })
	for _, c := range []struct {
		addr, host, target string
		tls                bool
		want               string
	}{
		{byTLS, "chat.example", "/", true, "max-age=31536000"},
		{embedded, "chat.example", "/", true, "max-age=31536000"},
		{byTLS, "chat.example", "/login/alice", true, ""},
		{byTLS, "localhost", "/", true, ""},
		{byTLS, "127.0.0.1:8443", "/", true, ""},
		{plain, "chat.example", "/", false, ""},
	} {
		conn := dial(t, c.addr)
		if c.tls {
			over := tls.Client(conn.Conn, &tls.Config{InsecureSkipVerify: true})
			conn = &rawConn{Conn: over, t: t, r: bufio.NewReader(over)}
		}
		conn.send("GET ", c.target, " HTTP/1.1\r\nHost: ", c.host, "\r\nX-Forwarded-Proto: https\r\n", asBrowser, "\r\n\r\n")
		r := conn.response("GET")
		if got := r.Header.Get("Strict-Transport-Security"); got != c.want || r.StatusCode != 200 {
			t.Errorf("%+v: %d, %q", c, r.StatusCode, got)
		}
	}
}

func TestPage_AHostCannotAddToThePolicy(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{Page: web.New()})
	for _, host := range []string{"a b", "*", "a;script-src *", "'none'", "a,b", "http://x/y"} {
		r := raw(t, addr, "GET", "/ HTTP/1.1\r\nHost: "+host+"\r\n"+asBrowser+"\r\n\r\n")
		if policy := r.Header.Get("Content-Security-Policy"); r.StatusCode == 200 && !strings.Contains(policy, "connect-src 'self';") {
			t.Errorf("host %q: %s", host, policy)
		}
	}
}

func TestPage_FilesAreCachedForEver(t *testing.T) {
	site := web.New()
	_, addr := serve(t, newAccounts(), transport.Options{Page: site})
	if len(site.Paths()) < 20 {
		t.Errorf("only %d files", len(site.Paths()))
	}
	for _, path := range site.Paths() {
		r := get(t, addr, path)
		file := site.File(path)
		if r.StatusCode != 200 || r.body != string(file.Body) || r.Header.Get("Content-Type") != file.Type || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		if !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: Cache-Control %q", path, r.Header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/web", "/web/", "/web/main.js", "/web/0123456789abcdef/main.js", "/web/../login/x", site.Paths()[0] + "/", site.Paths()[0] + "%20"} {
		get(t, addr, path, asBrowser).wantCode(t, protocol.CodeNotFound)
	}
	do(t, addr, "POST", site.Paths()[0], "x").wantCode(t, protocol.CodeMethodNotAllowed)
}

func TestPage_IsCompressedAndRevalidated(t *testing.T) {
	site := web.New()
	_, addr := serve(t, newAccounts(), transport.Options{Page: site})
	plain := get(t, addr, "/", asBrowser)
	small := get(t, addr, "/", asBrowser, "Accept-Encoding: br, gzip")
	unpacked, err := gzip.NewReader(strings.NewReader(small.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil || !bytes.Equal(text, site.Page().Body) || small.Header.Get("Content-Encoding") != "gzip" || len(small.body) >= len(text) {
		t.Errorf("compressed: %d of %d bytes, %v", len(small.body), len(text), err)
	}
	if plain.Header.Get("ETag") == small.Header.Get("ETag") {
		t.Error("two encodings have the same ETag")
	}
	for _, tag := range []string{small.Header.Get("ETag"), `"x", W/` + small.Header.Get("ETag")} {
		r := get(t, addr, "/", asBrowser, "Accept-Encoding: gzip", "If-None-Match: "+tag)
		if r.StatusCode != 304 || r.body != "" || r.Header.Get("ETag") != small.Header.Get("ETag") || r.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("with the ETag: %d %q %v", r.StatusCode, r.body, r.Header)
		}
	}
	if r := get(t, addr, "/", asBrowser, "If-None-Match: "+small.Header.Get("ETag")); r.StatusCode != 200 {
		t.Errorf("with the ETag of other bytes: %d", r.StatusCode)
	}
	head := do(t, addr, "HEAD", "/", "", asBrowser)
	if head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(site.Page().Body)) {
		t.Errorf("HEAD: %d, %d bytes", head.StatusCode, head.ContentLength)
	}
}

func TestPage_BelowAPrefix(t *testing.T) {
	site := web.New()
	_, addr := serve(t, newAccounts(), transport.Options{Page: site, Prefix: "/broker"})
	if r := get(t, addr, "/broker", asBrowser); r.StatusCode != 308 || r.Header.Get("Location") != "/broker/" {
		t.Errorf("without a slash: %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	get(t, addr, "/broker").want(t, 200, `{"status":"ok"}`)
	if r := get(t, addr, "/broker/", asBrowser); r.StatusCode != 200 {
		t.Errorf("the page: %d", r.StatusCode)
	}
	if r := get(t, addr, "/broker"+site.Paths()[0]); r.StatusCode != 200 {
		t.Errorf("a file: %d", r.StatusCode)
	}
}

func TestPage_CanBeLeftOut(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	get(t, addr, "/", asBrowser).want(t, 200, `{"status":"ok"}`)
	get(t, addr, web.New().Paths()[0]).wantCode(t, protocol.CodeNotFound)
}
