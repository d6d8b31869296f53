package transport_test

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

func TestLogin_TakesTheKeyFromTheRawTarget(t *testing.T) {
	pem := base64.StdEncoding.EncodeToString([]byte("-----BEGIN PUBLIC KEY-----\n" + strings.Repeat("MIIB/+", 70) + "\n-----END PUBLIC KEY-----\n"))
	tests := []struct{ name, target, key string }{
		{"plain", "/login/alice", "alice"},
		{"base64 of PEM", "/login/" + pem, pem},
		{"base64 of PEM, encoded", "/login/" + url.PathEscape(pem), pem},
		{"plus", "/login/a+b", "a+b"},
		{"escaped plus", "/login/a%2Bb", "a+b"},
		{"slash", "/login/a/b", "a/b"},
		{"escaped slash", "/login/a%2Fb%2fc", "a/b/c"},
		{"only a slash", "/login//", "/"},
		{"slashes", "/login//a//b//", "/a//b//"},
		{"dots", "/login/a/../b/./c", "a/../b/./c"},
		{"only dots", "/login/..", ".."},
		{"escaped dots", "/login/%2e%2e/x", "../x"},
		{"decoded once", "/login/a%252Fb", "a%2Fb"},
		{"ends at the question mark", "/login/a?b=c?d", "a"},
		{"escaped question mark", "/login/a%3Fb", "a?b"},
		{"hash", "/login/a#b", "a#b"},
		{"hash before question mark", "/login/a#b?c", "a#b"},
		{"backslash", `/login/a\b`, `a\b`},
		{"space", "/login/a%20b", "a b"},
		{"newlines and tabs", "/login/a%0D%0A%09b", "a\r\n\tb"},
		{"url in the key", "/login/http://example.com/x", "http://example.com/x"},
		{"UTF-8, escaped", "/login/%C3%BC", "ü"},
		{"UTF-8, raw", "/login/ü", "ü"},
		{"absolute form", "http://enigma.localhost/login/a/b", "a/b"},
		{"absolute form, other case", "HTTPS://enigma.localhost:443/login/a//b", "a//b"},
		{"absolute form with a url in the key", "http://enigma.localhost/login/http://x/y", "http://x/y"},
		{"trailing slash", "/login/a/", "a/"},
		{"the longest key", "/login/" + strings.Repeat("k", 8192), strings.Repeat("k", 8192)},
		{"the longest key, of slashes", "/login/" + strings.Repeat("/", 8192), strings.Repeat("/", 8192)},
		{"the longest key, of dots", "/login/" + strings.Repeat("/.", 4096), strings.Repeat("/.", 4096)},
		{"all of it escaped", "http://enigma.localhost/login/" + strings.Repeat("%2F%2e", 2000), strings.Repeat("/.", 2000)},
		{"looks like a route", "/login/healthz", "healthz"},
		{"looks like a parameter", "/login/{key}", "{key}"},
		{"semicolon and the like", "/login/a;b=c&d,e:f@g$h!", "a;b=c&d,e:f@g$h!"},
	}
	broker := newAccounts()
	_, addr := serve(t, broker, transport.Options{RateLogins: -1})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := get(t, addr, tt.target)
			r.want(t, 200, userBody(tt.key))
			if got := r.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			if got := broker.keys[protocol.NewUserID([]byte(tt.key))]; got != tt.key {
				t.Errorf("stored %q, want %q", got, tt.key)
			}
		})
	}
}

func TestLogin_RefusesBadKeys(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{RateLogins: -1})
	for target, code := range map[string]protocol.Code{
		"/login/":                               protocol.CodeBadRequest,
		"/login/?x":                             protocol.CodeBadRequest,
		"/login/a%":                             protocol.CodeBadRequest,
		"/login/a%2":                            protocol.CodeBadRequest,
		"/login/a%2x":                           protocol.CodeBadRequest,
		"/login/a%x2":                           protocol.CodeBadRequest,
		"/login/%00":                            protocol.CodeBadRequest,
		"/login/%7F":                            protocol.CodeBadRequest,
		"/login/%FF":                            protocol.CodeBadRequest,
		"/login/a b":                            protocol.CodeBadRequest,
		"/login/a\x01":                          protocol.CodeBadRequest,
		"/login/" + strings.Repeat("k", 8193):   protocol.CodeKeyTooLong,
		"/login/" + strings.Repeat("k", 20_000): protocol.CodeHeadersTooLarge,
	} {
		t.Run(target[:min(len(target), 20)], func(t *testing.T) { get(t, addr, target).wantCode(t, code) })
	}
}

func TestLogin_TakesTheKeyFromABody(t *testing.T) {
	broker := newAccounts()
	_, addr := serve(t, broker, transport.Options{RateLogins: -1})
	long := strings.Repeat("k", 8192)
	for _, tt := range []struct{ body, key string }{
		{`{"publicKey":"alice"}`, "alice"},
		{` { "x" : [1,{"publicKey":2}] , "publicKey" : "a\nb\u00fc\ud83d\ude00\\u" } `, "a\nbü😀\\u"},
		{`{"publicKey":"` + long + `"}`, long},
		{`{"publicKey":"` + strings.Repeat(`\u006b`, 8192) + `"}`, long},
	} {
		do(t, addr, "POST", "/login", tt.body).want(t, 200, userBody(tt.key))
	}
	for body, code := range map[string]protocol.Code{
		``:                                  protocol.CodeBadRequest,
		`{}`:                                protocol.CodeBadRequest,
		`[]`:                                protocol.CodeBadRequest,
		`"publicKey"`:                       protocol.CodeBadRequest,
		`{"publicKey":""}`:                  protocol.CodeBadRequest,
		`{"publicKey":1}`:                   protocol.CodeBadRequest,
		`{"publicKey":null}`:                protocol.CodeBadRequest,
		`{"PublicKey":"a"}`:                 protocol.CodeBadRequest,
		`{"publicKey":"a","publicKey":"a"}`: protocol.CodeBadRequest,
		`{"publicKey":"a"} x`:               protocol.CodeBadRequest,
		`{"publicKey":"a"`:                  protocol.CodeBadRequest,
		`{"publicKey":"\ud800"}`:            protocol.CodeBadRequest,
		`{"publicKey":"\udc00\ud800"}`:      protocol.CodeBadRequest,
		`{"publicKey":"\ud800\u0061"}`:      protocol.CodeBadRequest,
		"{\"publicKey\":\"\xff\"}":          protocol.CodeBadRequest,
		`{"publicKey":"\u0000"}`:            protocol.CodeBadRequest,
		`{"publicKey":"` + long + `k"}`:     protocol.CodeKeyTooLong,
		strings.Repeat(" ", 70_000):         protocol.CodeBodyTooLarge,
	} {
		t.Run(body[:min(len(body), 40)], func(t *testing.T) { do(t, addr, "POST", "/login", body).wantCode(t, code) })
	}
}

// forwardings are the headers by which a proxy shows itself, as some write them.
var forwardings = []string{"X-Forwarded-For: 192.0.2.77", "Forwarded: for=192.0.2.77", "X-Real-IP: 192.0.2.77", "Via: 1.1 proxy",
	"X-Forwarded-Host: chat.example", "x-forwarded-proto: https", "X-Forwarded-Port: 443", "X-Forwarded-Server: proxy", "X-Forwarded-By: proxy",
	"CF-Connecting-IP: 192.0.2.77", "True-Client-IP: 192.0.2.77", "X-Client-IP: 192.0.2.77", "fastly-client-ip: 192.0.2.77",
	"X-Cluster-Client-IP: 192.0.2.77", "X-Envoy-External-Address: 192.0.2.77"}

// A proxy on this machine that says nothing of whom it speaks for is limited as one, all its users together.
func TestRateOfLogins_HoldsForAProxyThatNamesNobody(t *testing.T) {
	for _, header := range forwardings {
		_, addr := serve(t, newAccounts(), transport.Options{RateLogins: 3})
		limited := false
		for range 8 {
			limited = limited || get(t, addr, "/login/alice", header).StatusCode == 429
		}
		if !limited {
			t.Errorf("with %q nothing is limited", header)
		}
		// This machine itself is not, whatever else it sends.
		get(t, addr, "/login/alice", "X-Forwarded: x", "X-Real: x", "X-Client: x", "Cookie: via=x", "TE: trailers").want(t, 200, userBody("alice"))
	}
}

func TestRateOfLogins(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{RateLogins: 3, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	from := func(forwarded ...string) int {
		t.Helper()
		var headers []string
		for _, f := range forwarded {
			headers = append(headers, "X-Forwarded-For: "+f)
		}
		return get(t, addr, "/login/alice", headers...).StatusCode
	}
	spend := func(forwarded ...string) {
		t.Helper()
		limited := 0
		for range 8 {
			if from(forwarded...) == 429 {
				limited++
			}
		}
		if limited == 0 {
			t.Errorf("%q is not limited", forwarded)
		}
	}
	for range 20 {
		if got := from(); got != 200 {
			t.Fatalf("loopback is limited: %d", got)
		}
	}
	spend("192.0.2.1")
	if from("192.0.2.1, 192.0.2.2") != 200 || from("192.0.2.1", "192.0.2.3") != 200 {
		t.Error("an address is limited for what the client itself says of another")
	}
	spend("192.0.2.9, 10.1.2.3", "127.0.0.1")
	if from("192.0.2.9") != 429 {
		t.Error("proxies are not skipped")
	}
	spend("2001:db8::1")
	if from("[2001:db8::2]:1234") != 429 {
		t.Error("a /64 has more than one bucket")
	}
	if from("2001:db8:0:1::1") != 200 {
		t.Error("two networks share a bucket")
	}
	spend("127.0.0.1")
	spend("unknown")
	get(t, addr, "/login/a", "X-Forwarded-For: unknown").wantCode(t, protocol.CodeRateLimited)
	do(t, addr, "POST", "/login", `{"publicKey":"a"}`, "X-Forwarded-For: unknown").wantCode(t, protocol.CodeRateLimited)
	if r := get(t, addr, "/connect/"+aliceID, "X-Forwarded-For: unknown"); r.StatusCode != 200 {
		t.Error("other requests are limited")
	}
}
