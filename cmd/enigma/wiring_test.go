package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// TestWiring_SettingsReachTheirPart gives settings that a user can tell from the defaults.
func TestWiring_SettingsReachTheirPart(t *testing.T) {
	s := enigmatest.Start(t, "--max-message", "2KiB", "--mailbox-messages", "2", "--mailbox-bytes", "1MiB", "--ttl", "2h",
		"--idle-timeout", "7s", "--origin", "https://chat.example")
	_, version := s.Get("/version")
	limits, _ := version["limits"].(map[string]any)
	for name, want := range map[string]float64{
		"maxMessage": 2 << 10, "mailboxMessages": 2, "mailboxBytes": 1 << 20, "ttl": 2 * 60 * 60, "idleTimeoutMs": 7000,
	} {
		if limits[name] != want {
			t.Errorf("/version says %s is %v, want %v", name, limits[name], want)
		}
	}

	alice, bob := s.Login("alice"), s.Login("bob")
	a := s.Connect(alice)
	for range 3 {
		a.Send(bob, "to somebody who is away")
	}
	if f := a.Expect(); f.Code != "MAILBOX_FULL" {
		t.Errorf("the third message got %s, want MAILBOX_FULL", f.Raw)
	}
	a.Send(bob, strings.Repeat("x", 2<<10))
	if f := a.Expect(); f.Code != "MESSAGE_TOO_LARGE" {
		t.Errorf("a large message got %s, want MESSAGE_TOO_LARGE", f.Raw)
	}
	if status := a.Closed(); status != 1009 {
		t.Errorf("closed with %d, want 1009", status)
	}
	for origin, want := range map[string]int{"": 200, "https://chat.example": 200, "https://evil.example": 403} {
		if status := getFrom(t, s, origin); status != want {
			t.Errorf("a request from origin %q got %d, want %d", origin, status, want)
		}
	}
}

// TestWiring_RatesHoldBehindAProxy has a proxy on this machine speak for one source address.
func TestWiring_RatesHoldBehindAProxy(t *testing.T) {
	s := enigmatest.Start(t, "--rate-logins", "3/s")
	limited := false
	for range 20 {
		req, err := http.NewRequest(http.MethodGet, s.URL("/login/alice"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "192.0.2.7")
		limited = limited || statusOf(t, req) == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("20 logins at once pass a rate of 3/s")
	}
}

func getFrom(t *testing.T, s *enigmatest.Server, origin string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL("/version"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	return statusOf(t, req)
}

func statusOf(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
