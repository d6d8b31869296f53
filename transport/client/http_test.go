package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

// keys that a path would not survive unescaped, among others.
var keys = []string{
	"alice", "a/b//c", "..", ".", "a+b c", "%41", "?x=1#y", "ключ", "-----BEGIN PUBLIC KEY-----\r\nMFk=\n",
	strings.Repeat("k", protocol.MaxKeyLength), strings.Repeat("\n", protocol.MaxKeyLength),
}

func idOf(key string) string { return protocol.NewUserID([]byte(key)).String() }

func TestLogin(t *testing.T) {
	for _, form := range []string{"POST", "GET"} {
		t.Run(form, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := ""
				switch {
				case form == "POST" && r.Method == "POST" && r.URL.Path == "/prefix/login":
					var body struct{ PublicKey string }
					if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
						t.Errorf("body: %v", err)
					}
					key = body.PublicKey
				case r.Method == "POST":
					w.WriteHeader(http.StatusMethodNotAllowed)
					return
				default:
					raw, ok := strings.CutPrefix(r.RequestURI, "/prefix/login/")
					if !ok {
						t.Errorf("asked for %s", r.RequestURI)
					}
					key, _ = url.PathUnescape(raw)
				}
				json.NewEncoder(w).Encode(map[string]string{"userId": idOf(key), "user": idOf(key)})
			}))
			defer s.Close()
			for _, key := range keys {
				if form == "GET" && strings.HasPrefix(key, "\n\n") {
					continue // too long for a request line once escaped
				}
				id, err := client.Login(t.Context(), s.URL+"/prefix", key)
				if err != nil || id != idOf(key) {
					t.Errorf("%.20q: %s, %v", key, id, err)
				}
			}
		})
	}
}

func TestLogin_RefusesBadKeys(t *testing.T) {
	for key, code := range map[string]string{"": "BAD_REQUEST", "a\x00": "BAD_REQUEST", "\xff": "BAD_REQUEST",
		strings.Repeat("k", protocol.MaxKeyLength+1): "KEY_TOO_LONG"} {
		var e *client.Error
		if _, err := client.Login(t.Context(), "http://127.0.0.1:1", key); !errors.As(err, &e) || e.Code != code {
			t.Errorf("%.20q: %v", key, err)
		}
	}
}

func TestHTTP_Answers(t *testing.T) {
	answers := map[string]error{
		`{"userId":"` + bob + `","publicKey":"bob"}`:     client.ErrKeyMismatch,
		`{"userId":"` + bob + `","publicKey":"alice"}`:   client.ErrKeyMismatch,
		`{"userId":"` + alice + `","publicKey":"alice"}`: nil,
		`{}`:                              client.ErrKeyMismatch,
		`[]`:                              client.ErrProtocol,
		``:                                client.ErrProtocol,
		`{"userId":5}`:                    client.ErrProtocol,
		strings.Repeat(" ", 1<<20) + `{}`: client.ErrProtocol,
	}
	for body, want := range answers {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }))
		if id, err := client.Login(t.Context(), s.URL, "alice"); !errors.Is(err, want) || err == nil && id != alice {
			t.Errorf("login, %.60s: %s, %v", body, id, err)
		}
		if key, err := client.PublicKey(t.Context(), s.URL, alice); !errors.Is(err, want) || err == nil && key != "alice" {
			t.Errorf("public key, %.60s: %s, %v", body, key, err)
		}
		s.Close()
	}
}

func TestHTTP_Errors(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "999999999999")
		w.WriteHeader(404)
		fmt.Fprint(w, `{"error":"User \u001b[31mnot found`+strings.Repeat("!", 1000)+`","code":"USER_NOT_FOUND"}`)
	}))
	defer s.Close()
	_, err := client.PublicKey(t.Context(), s.URL, alice)
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, client.ErrUserNotFound) || e.Status != 404 {
		t.Fatalf("public key: %v", err)
	}
	if len(e.Text) > 256 || strings.ContainsRune(e.Text, 0x1b) {
		t.Errorf("text %q", e.Text)
	}
	if _, err := client.Login(t.Context(), s.URL, "alice"); !errors.Is(err, client.ErrUserNotFound) {
		t.Errorf("login: %v", err)
	}
	if _, err := client.PublicKey(t.Context(), s.URL, "../../etc"); err == nil {
		t.Error("a malformed id was asked for")
	}
}

func TestHTTP_FollowsNoRedirect(t *testing.T) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	var e *client.Error
	if _, err := client.Login(t.Context(), s.URL, "alice"); !errors.As(err, &e) || e.Status != 307 || reached {
		t.Errorf("login: %v, reached %v", err, reached)
	}
}
