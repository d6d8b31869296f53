package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

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
		limited = limited || loginFor(t, s, "192.0.2.7") == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("20 logins at once pass a rate of 3/s")
	}
}

// TestWiring_ATrustedProxyIsNotASource has a proxy on this machine pass on what another one, of --trusted-proxy, says.
func TestWiring_ATrustedProxyIsNotASource(t *testing.T) {
	s := enigmatest.Start(t, "--rate-logins", "3/s", "--trusted-proxy", "10.0.0.0/8")
	for i := range 30 {
		if status := loginFor(t, s, fmt.Sprintf("192.0.2.%d, 10.1.2.3", 100+i)); status != http.StatusOK {
			t.Fatalf("the first login of user %d behind the proxy is answered with %d", i, status)
		}
	}
	limited := false
	for range 20 {
		limited = limited || loginFor(t, s, "192.0.2.9, 10.1.2.3") == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("20 logins at once pass a rate of 3/s")
	}
}

// TestWiring_MessagesAreLimitedBehindAProxy counts on 25 messages being sent in less time than 15 are allowed in.
func TestWiring_MessagesAreLimitedBehindAProxy(t *testing.T) {
	s := enigmatest.Start(t, "--rate-messages", "10/s")
	id := s.Login("alice")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+s.Addr+"/ws/"+id, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.7"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	const sent = 25 // as many as 10 and two bursts more would close the connection
	for range sent {
		if err := c.Write(ctx, websocket.MessageText, []byte(`{"to":"nobody","payload":"x"}`)); err != nil {
			t.Fatal(err)
		}
	}
	codes := map[string]int{}
	for range sent {
		_, text, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Code string }
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		codes[answer.Code]++
	}
	if codes["USER_NOT_FOUND"] < 10 || codes["RATE_LIMITED"] == 0 || len(codes) != 2 {
		t.Errorf("%d messages at once are answered with %v", sent, codes)
	}
}

// loginFor logs in as a proxy on this machine does for others.
func loginFor(t *testing.T, s *enigmatest.Server, forwardedFor string) (status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL("/login/alice"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", forwardedFor)
	return statusOf(t, req)
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
