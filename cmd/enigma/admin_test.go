package main_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// fetch asks the admin listener, with the given Host if there is one.
func fetch(t *testing.T, s *enigmatest.Server, path, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.Admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAdmin_ShowsHealthMetricsAndProfiles(t *testing.T) {
	s := enigmatest.Start(t)
	u := s.Connect(s.Login("alice"))
	u.Send(u.ID, "to myself")
	u.Expect()
	for path, want := range map[string]string{
		"/healthz":                       "ok",
		"/readyz":                        "ok",
		"/":                              "Enigma",
		"/metrics":                       "go_goroutines",
		"/metrics.json":                  "enigma_messages_submitted_total",
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
	} {
		if status, text := fetch(t, s, path, ""); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s: %d %.200s", path, status, text)
		}
	}
}

func TestAdmin_AnswersToThisMachineAndItsNamesOnly(t *testing.T) {
	s := enigmatest.Start(t, "--admin-host", "enigma.internal, other.internal")
	for host, want := range map[string]int{
		"":                     http.StatusOK,
		"localhost:9090":       http.StatusOK,
		"[::1]:9090":           http.StatusOK,
		"enigma.internal:9090": http.StatusOK,
		"Other.internal":       http.StatusOK,
		"evil.example:9090":    http.StatusForbidden,
		"192.0.2.1:9090":       http.StatusForbidden,
	} {
		if status, text := fetch(t, s, "/metrics", host); status != want {
			t.Errorf("Host %q: %d %.100s, want %d", host, status, text, want)
		}
	}
}

func TestAdmin_CanBeOff(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	if s.Admin != "" || strings.Contains(s.Output(), "metrics") {
		t.Errorf("an admin listener is announced:\n%s", s.Output())
	}
}

func TestAdmin_ReachedByOthersIsSaid(t *testing.T) {
	for listen, want := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		s := enigmatest.Start(t, "--admin", listen)
		if got := strings.Contains(s.Log(), "the admin listener is reached from other machines"); got != want {
			t.Errorf("%s: said %v", listen, got)
		}
	}
}
