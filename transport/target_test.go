package transport_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

// A target in absolute form names a host too. Where Host names another, somebody is being deceived.
func TestTarget_NamesTheHostThatHostNames(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	for target, host := range map[string]string{
		"http://localhost/healthz":       "localhost",
		"http://LOCALHOST./healthz":      "localhost:80",
		"https://localhost:443/healthz":  "Localhost",
		"http://localhost:8080/healthz":  "localhost:8080",
		"http://[::1]:8080/healthz":      "[::1]:8080",
		"http://localhost?http://x/evil": "localhost",
	} {
		named(t, addr, "GET", target, host).want(t, 200, `{"status":"ok"}`)
	}
	for target, host := range map[string]string{
		"http://evil.example/healthz":           "localhost",
		"http://evil.example":                   "localhost",
		"http://evil.example?/healthz":          "localhost",
		"http://localhost.evil.example/healthz": "localhost",
		"http://localhost:8080/healthz":         "localhost",
		"http://localhost/healthz":              "localhost:8080",
		"http://user@localhost/healthz":         "localhost",
		"http://localhost@evil.example/healthz": "localhost",
		"http://localhost%2e/healthz":           "localhost",
		"http://[::1%25lo]/healthz":             "[::1]",
		"http:///healthz":                       "localhost",
		"://localhost/healthz":                  "127.0.0.1",
	} {
		named(t, addr, "GET", target, host).wantCode(t, protocol.CodeBadRequest)
		r := raw(t, addr, "GET", strings.NewReplacer("GET /ws", "http://evil.example/ws", "Host: enigma.localhost", "Host: localhost").Replace(upgradeRequest("/ws/"+aliceID)))
		r.wantCode(t, protocol.CodeBadRequest)
	}
}

// The answer to who asks for a key is not much larger than the key, whatever its owner made it of.
func TestConnect_IsNoAmplifier(t *testing.T) {
	_, addr := serve(t, newAccounts(), transport.Options{})
	for _, c := range []string{"<", "&", "\u2028", "\\", "\"", "\n", "\r", "\t", "x", "\u00e9", "\U0001f511", "\ufffd"} {
		key := strings.Repeat(c, protocol.MaxKeyLength/len(c))
		body := strings.NewReplacer("\\", `\\`, "\"", `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(key)
		do(t, addr, "POST", "/login", `{"publicKey":"`+body+`"}`).want(t, 200, userBody(key))
		r := get(t, addr, "/connect/"+protocol.NewUserID([]byte(key)).String())
		want := fmt.Sprintf(`{"userId":"%s","user":"%[1]s","publicKey":"%s"}`, protocol.NewUserID([]byte(key)), body)
		r.want(t, 200, want)
		if len(r.body) > 2*protocol.MaxKeyLength+200 {
			t.Errorf("%q: %d bytes", c, len(r.body))
		}
	}
}
