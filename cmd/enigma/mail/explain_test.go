package mail_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/mail"
	"github.com/enigma-protocol/enigma/transport/client"
)

// TestUnreachable_SaysWhatToDo asks real servers that are none, or not there.
func TestUnreachable_SaysWhatToDo(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for server, want := range map[string]string{
		gone.URL:  "no server answers at " + gone.URL + " (connection refused)",
		other.URL: "what answers at " + other.URL + " is no enigma server",
		strings.Replace(other.URL, "http://", "https://", 1): "does not speak https: write http://",
		secure.URL:                    "a certificate that this machine does not trust",
		"http://no-such-host.invalid": "there is no server called no-such-host.invalid",
	} {
		_, err := mail.Dial(t.Context(), server, key)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "enigma: ") {
			t.Errorf("%s: %v, want %q", server, err, want)
		}
	}
	if _, err := mail.Dial(t.Context(), secure.URL, key); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("%v is not what it was any more", err)
	}
	refused := &client.Error{Code: client.ErrProofRequired.Code, Status: 4401}
	if err := mail.Unreachable("https://localhost:1", refused); !strings.Contains(err.Error(), "--public-host") || !errors.Is(err, client.ErrProofRequired) {
		t.Error(err)
	}
	if err := mail.Unreachable("x", client.ErrReplaced); err != client.ErrReplaced {
		t.Errorf("%v is said in other words", err)
	}
}
