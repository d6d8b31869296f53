package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// liar is a server that stands between a page and the real one and gives out a key of its own.
type liar struct {
	*httptest.Server
	lies atomic.Bool
}

func newLiar(t *testing.T, s *enigmatest.Server) *liar {
	t.Helper()
	target, err := url.Parse(s.URL("/"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{}
	l.lies.Store(true)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the page's proof is for the host it knows
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(resp *http.Response) error {
			if !l.lies.Load() || !strings.HasPrefix(resp.Request.URL.Path, "/connect/") {
				return nil
			}
			var body map[string]string
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				return err
			}
			body["publicKey"] = key.PublicKey()
			text, err := json.Marshal(body)
			resp.Body = io.NopCloser(bytes.NewReader(text))
			resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return err
		},
	}
	l.Server = httptest.NewServer(proxy)
	t.Cleanup(l.Close)
	return l
}

func TestLie_AKeyThatIsNotTheirsIsRefused(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	lying := newLiar(t, s)
	alice := joined(t, lying.URL+"/", "Alice", desktop)
	bob := joined(t, s.URL("/"), "Bob", desktop)

	// Somebody to write to.
	alice.add(bob.id(), "Bob")
	alice.sees("[role=alertdialog]", "This is not their key")
	alice.sees("[role=alertdialog]", "Nothing was sent")
	alice.shot("warning")
	alice.clickText("I understand")
	alice.until("document.querySelectorAll('dialog, #list .row').length === 0")

	// Somebody who writes: what came is not shown, and not lost.
	bob.writeTo(alice.id(), "Alice")
	bob.says("It is me")
	alice.sees("[role=alertdialog]", bob.id()[:4]+" "+bob.id()[4:8])
	alice.clickText("I understand")
	alice.until("document.querySelectorAll('#list .row').length === 0")
	lying.lies.Store(false)
	alice.reload()
	alice.connected()
	alice.choose("It is me")
	bob.marked("It is me", "delivered")
	alice.leave() // before the liar goes
}

func TestLie_AnotherIDAtLoginIsRefused(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	u := newUser(t, "Alice", desktop)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"userId":"fpmansl7byak6gq7ymzi7j3dvetjoi6i","user":"fpmansl7byak6gq7ymzi7j3dvetjoi6i"}`)
	})
	target, err := url.Parse(s.URL("/"))
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	lying := httptest.NewServer(mux)
	t.Cleanup(lying.Close)
	u.open(lying.URL + "/")
	u.click("#create-key")
	u.click("#finish")
	u.sees("#status", "It is not to be trusted")
	u.leave()
}
