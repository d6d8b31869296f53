package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer makes a server that shows full counters.
func newServer(t *testing.T, opts Options) asked {
	opts.Metrics = Registry(full, "v1")
	opts.Log = slog.New(slog.DiscardHandler)
	if opts.Ready == nil {
		opts.Ready = func(context.Context) error { return nil }
	}
	return asked{t, New(opts)}
}

func TestServer_IsReadyWhileTheNodeIs(t *testing.T) {
	var reason error
	s := newServer(t, Options{Ready: func(context.Context) error { return reason }})
	if got := s.get("/readyz"); got.Code != http.StatusOK {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	reason = errors.New("stopping")
	if got := s.get("/readyz"); got.Code != http.StatusServiceUnavailable || got.Body.String() != "stopping\n" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := s.get("/healthz"); got.Code != http.StatusOK {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// The arguments of the program may hold the store's password.
func TestServer_DoesNotTellTheArguments(t *testing.T) {
	if got := newServer(t, Options{Local: true}).get("/debug/pprof/cmdline", "Host", "localhost"); got.Code != http.StatusOK || got.Body.String() != "enigma\n" {
		t.Errorf("%d %q", got.Code, got.Body)
	}
}

func TestGuard_AnswersToItsNamesOnly(t *testing.T) {
	for _, c := range []struct {
		opts Options
		want map[string]bool
	}{
		{Options{Local: true}, map[string]bool{
			"localhost": true, "LOCALHOST:9090": true, "localhost.": true, "127.0.0.1:9090": true, "127.1.2.3": true, "[::1]:9090": true, "::1": true,
			"evil.example": false, "localhost.evil.example": false, "192.0.2.1": false, "": false, "127.0.0.1.evil.example": false, "0.0.0.0": false, "127.1": false,
		}},
		{Options{}, map[string]bool{"localhost": true, "192.0.2.1:9090": true, "[2001:db8::1]": true, "enigma": false, "evil.example": false, "": false}},
		{Options{Local: true, Hosts: []string{"enigma.internal"}}, map[string]bool{"enigma.internal": true, "ENIGMA.internal.:9090": true, "evil.example": false, "192.0.2.1": false}},
		{Options{Local: true, Hosts: []string{"*"}}, map[string]bool{"evil.example": true, "192.0.2.1": true}},
	} {
		s := newServer(t, c.opts)
		for host, want := range c.want {
			for _, target := range []string{"/", "/metrics", "/metrics.json", "/debug/pprof/", "/healthz"} {
				if got := s.get(target, "Host", host).Code == http.StatusOK; got != want {
					t.Errorf("%+v: %s for %q: allowed is %v", c.opts, target, host, got)
				}
			}
		}
	}
}

func TestGuard_IsForNoOtherSite(t *testing.T) {
	s := newServer(t, Options{Local: true})
	for _, c := range []struct {
		target, site, mode string
		want               bool
	}{
		{"/metrics", "none", "navigate", true},
		{"/metrics.json", "same-origin", "cors", true},
		{"/debug/pprof/profile", "cross-site", "no-cors", false},
		{"/debug/pprof/", "cross-site", "navigate", false},
		{"/metrics.json", "same-site", "cors", false},
		{"/", "cross-site", "navigate", true},
		{"/", "cross-site", "no-cors", false},
	} {
		got := s.get(c.target, "Sec-Fetch-Site", c.site, "Sec-Fetch-Mode", c.mode)
		if (got.Code == http.StatusOK) != c.want {
			t.Errorf("%+v: %d", c, got.Code)
		}
		if got.Header().Get("Access-Control-Allow-Origin") != "" || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: %v", c, got.Header())
		}
	}
}

// A browser does not tell another machine, over http, that a page of another site is behind a request.
func TestGuard_StartsNoProfileForAPage(t *testing.T) {
	s := newServer(t, Options{})
	const browser, host = "Mozilla/5.0 (X11) Browser/1", "192.0.2.1:9090"
	for _, c := range []struct {
		target, agent, from string
		want                bool
	}{
		{"/debug/pprof/goroutine", browser, "", false},
		{"/debug/pprof/goroutine", browser, "http://evil.example/", false},
		{"/debug/pprof/goroutine", browser, "http://192.0.2.1/", false},
		{"/debug/pprof/goroutine", browser, "http://" + host + "@evil.example/", false},
		{"/debug/pprof/goroutine", browser, "%", false},
		{"/debug/pprof/goroutine", browser, "http://" + host + "/debug/pprof/", true},
		{"/debug/pprof/", browser, "", true},
		{"/metrics", browser, "", true},
		{"/debug/pprof/goroutine", "Go-http-client/1.1", "", true},
		{"/debug/pprof/goroutine", "", "", true},
	} {
		got := s.get(c.target, "Host", host, "User-Agent", c.agent, "Referer", c.from)
		if (got.Code == http.StatusOK) != c.want {
			t.Errorf("%+v: %d", c, got.Code)
		}
	}
}

// TestDashboard_BringsAllItNeeds: what the page refers to is there, under a policy that lets nothing else in.
func TestDashboard_BringsAllItNeeds(t *testing.T) {
	s := newServer(t, Options{})
	html := s.get("/")
	if got := html.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none';") || strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
		t.Errorf("policy %q", got)
	}
	text := html.Body.String()
	files := 0
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(`"' `, r) }) {
		if kind := types[path.Ext(part)]; kind != "" {
			files++
			if got := s.get("/" + part); got.Code != http.StatusOK || got.Header().Get("Content-Type") != kind {
				t.Errorf("%s: %d %s", part, got.Code, got.Header().Get("Content-Type"))
			}
		}
	}
	if files < 3 {
		t.Errorf("the page refers to %d files", files)
	}
	for _, bad := range []string{"style=", "onclick", "<script>", "http://", "https://"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, target := range []string{"/index.html", "/page", "/x.js", "/../admin.go"} {
		if got := s.get(target); got.Code == http.StatusOK {
			t.Errorf("%s is served", target)
		}
	}
}

// TestDashboard_NamesMetricsThatAre: the scripts read metrics by name.
func TestDashboard_NamesMetricsThatAre(t *testing.T) {
	r := readAll(t, full())
	entries, err := page.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, entry := range entries {
		text, err := page.ReadFile("page/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune("\"'` ,\n();", r) }) {
			if !strings.HasPrefix(word, "enigma_") && !strings.HasPrefix(word, "process_") && !strings.HasPrefix(word, "go_") {
				continue
			}
			named++
			base, _, _ := strings.Cut(word, "{")
			found := false
			for name := range r.Values {
				found = found || name == base || strings.HasPrefix(name, base+"{")
			}
			for name := range r.Timings {
				found = found || name == base || strings.HasPrefix(name, base+"{")
			}
			if !found {
				t.Errorf("%s: there is no %s", entry.Name(), word)
			}
		}
	}
	if named < 15 {
		t.Errorf("the scripts read %d metrics", named)
	}
}
