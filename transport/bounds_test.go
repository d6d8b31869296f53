package transport_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/transport"
)

// Whoever connects and says nothing, or half of what begins TLS, is gone when the time for a request is over.
func TestSilentConnectionsEnd(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	defer site.Close()
	opts := transport.Options{ReadTimeout: 100 * time.Millisecond}
	_, plain := serve(t, newAccounts(), opts)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, newAccounts(), opts, tls.NewListener(ln, &tls.Config{Certificates: site.TLS.Certificates}))
	for _, addr := range []string{plain, ln.Addr().String()} {
		for _, said := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
			c := dial(t, addr)
			c.send(said)
			if _, err := io.Copy(io.Discard, c); err != nil { // within the test's patience
				t.Errorf("%q: %v", said, err)
			}
		}
	}
}
