package transport_test

import (
	"bufio"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

// named requests a target as somebody who has dialled host.
func named(t *testing.T, addr, method, target, host string, headers ...string) response {
	t.Helper()
	return raw(t, addr, method, target+" HTTP/1.1\r\nHost: "+host+"\r\n"+strings.Join(append(headers, "\r\n"), "\r\n"))
}

func TestHost_OnLoopbackIsThisMachineOrAPublicOne(t *testing.T) {
	var log logBuffer
	broker := newAccounts()
	_, addr := serve(t, broker, transport.Options{
		PublicHosts: []string{"chat.example", "other.example:8443"},
		Log:         slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	for _, host := range []string{
		addr, "localhost", "LOCALHOST:8080", "localhost.", "a.localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]",
		"chat.example", "CHAT.example.:443", "other.example:8443", "chat.example:8080", "other.example",
	} {
		named(t, addr, "GET", "/login/alice", host).want(t, 200, userBody("alice"))
	}
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example", "127.0.0.1evil", "0.0.0.0", "[::]",
		"192.0.2.1", "10.0.0.1:8080", "chat.example.evil.example", "example", "[localhost]", "::1]", "a,localhost", "localhost/", "2130706433",
	} {
		for method, target := range map[string]string{"GET": "/login/mallory", "OPTIONS": "/login", "POST": "/login"} {
			r := named(t, addr, method, target, host, "Content-Length: 0")
			if r.StatusCode == 400 && strings.ContainsAny(host, "[]/,") {
				continue // for the parser that is no Host at all
			}
			r.wantCode(t, protocol.CodeOriginRefused)
		}
		// The upgrade too, and with an origin that a list would have let through.
		r := raw(t, addr, "GET", strings.TrimPrefix(strings.Replace(upgradeRequest("/ws/"+aliceID), "Host: enigma.localhost", "Host: "+host, 1), "GET "))
		if r.StatusCode != 403 && r.StatusCode != 400 {
			t.Errorf("%s: the upgrade is answered with %d", host, r.StatusCode)
		}
		// A proxy on this machine writes into Host what it likes.
		for _, header := range []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "Via: 1.1 proxy", "X-Forwarded-Host: chat.example", "X-Forwarded-Proto: https"} {
			if r := named(t, addr, "GET", "/version", host, header); r.StatusCode != 200 && r.StatusCode != 400 {
				t.Errorf("%s with %s: %d", host, header, r.StatusCode)
			}
		}
	}
	if len(broker.keys) != 1 {
		t.Errorf("strangers have logged in: %q", broker.keys)
	}
	if log.count("--public-host") != 1 || log.count("evil.example") != 0 {
		t.Errorf("the log:\n%s", log.text.String())
	}
	raw(t, addr, "GET", "/healthz HTTP/1.0\r\n\r\n").want(t, 200, `{"status":"ok"}`) // no browser
}

// A page that has pointed its own name at this machine can write a forwarding header, but no Host.
func TestHost_IsNotExcusedByAHeaderThatAPageCanWrite(t *testing.T) {
	origins := []string{"https://chat.example", "http://[::1]:8080"}
	for _, c := range []struct {
		opts transport.Options
		want bool
	}{
		{transport.Options{}, true}, // every page may come anyway
		{transport.Options{Origins: origins}, false},
		{transport.Options{Origins: origins, PublicHosts: []string{"a.example", "b.example"}}, false},
		{transport.Options{Origins: origins, PublicHosts: []string{"chat.example"}}, true}, // there is a proxy, and it writes what it likes
	} {
		_, addr := serve(t, newAccounts(), c.opts)
		for _, header := range []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "X-Forwarded-Proto: https"} {
			r := named(t, addr, "GET", "/version", "evil.example", header)
			if got := r.StatusCode == 200; got != c.want || !got && r.StatusCode != 403 {
				t.Errorf("%+v with %s: %d", c.opts.PublicHosts, header, r.StatusCode)
			}
		}
		for _, host := range []string{"localhost", "[::1]:8080"} {
			named(t, addr, "GET", "/healthz", host).want(t, 200, `{"status":"ok"}`)
		}
		if c.opts.Origins != nil { // the page's own name, by a proxy that passes it on
			named(t, addr, "GET", "/healthz", "Chat.Example", "X-Forwarded-For: 192.0.2.1").want(t, 200, `{"status":"ok"}`)
		}
	}
}

func TestHost_IsAnyWhereOthersMayCome(t *testing.T) {
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, newAccounts(), transport.Options{}, ln)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	for _, host := range []string{"evil.example", "10.0.0.1", "localhost"} {
		named(t, "127.0.0.1:"+port, "GET", "/healthz", host).want(t, 200, `{"status":"ok"}`)
	}
}

func TestHost_IsCheckedOverTLS(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	defer site.Close()
	serveOn(t, newAccounts(), transport.Options{}, tls.NewListener(ln, &tls.Config{Certificates: site.TLS.Certificates}))
	for host, want := range map[string]int{"localhost": 200, "evil.example": 403} {
		over := tls.Client(dial(t, ln.Addr().String()).Conn, &tls.Config{InsecureSkipVerify: true})
		c := &rawConn{Conn: over, t: t, r: bufio.NewReader(over)}
		c.send("GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if r := c.response("GET"); r.StatusCode != want {
			t.Errorf("%s: %d", host, r.StatusCode)
		}
	}
}
