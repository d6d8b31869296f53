package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// handshake connects with at most the given TLS version and returns the serial number of the server's certificate.
func handshake(addr string, version uint16) (int64, error) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestTLS_ServesAndReadsARenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	enigmatest.WriteCertificate(t, 1, cert, key)
	s := enigmatest.Start(t, "--tls-cert", cert, "--tls-key", key)
	if s.Scheme != "https" || !strings.Contains(s.Output(), "wss://") {
		t.Errorf("the greeting does not speak of TLS:\n%s", s.Output())
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if serial, err := handshake(s.Addr, version); serial != 1 || err != nil {
			t.Errorf("%s: certificate %d, %v", tls.VersionName(version), serial, err)
		}
	}
	if _, err := handshake(s.Addr, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is accepted")
	}

	enigmatest.WriteCertificate(t, 2, cert, key)
	s.Signal(syscall.SIGHUP)
	s.AwaitLog("certificate read again")
	if serial, err := handshake(s.Addr, tls.VersionTLS13); serial != 2 || err != nil {
		t.Errorf("after SIGHUP: certificate %d, %v", serial, err)
	}
	// A broken file does no harm.
	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGHUP)
	s.AwaitLog("the old one stays in use")
	if serial, err := handshake(s.Addr, tls.VersionTLS13); serial != 2 || err != nil {
		t.Errorf("after a broken renewal: certificate %d, %v", serial, err)
	}
}

// A client that offers one suite of TLS 1.2 gets in with those that have forward secrecy and authenticate what they
// encrypt, whatever key the certificate has.
func TestTLS_TakesNoSuiteWithoutForwardSecrecyOrAuthentication(t *testing.T) {
	for kind, key := range map[string]crypto.Signer{"ECDSA": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "RSA": rsaKey()} {
		cert, private := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
		enigmatest.WriteCertificateOf(t, key, 1, cert, private)
		s := enigmatest.Start(t, "--tls-cert", cert, "--tls-key", private)
		taken := 0
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
				continue
			}
			want := strings.HasPrefix(suite.Name, "TLS_ECDHE_"+kind) && (strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305"))
			conn, err := tls.Dial("tcp", s.Addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
			if err == nil {
				taken++
				conn.Close()
			}
			// A refusal is the server's: the client did offer the suite.
			var alert *net.OpError
			if refused := errors.As(err, &alert) && alert.Op == "remote error"; (err == nil) != want || refused == want {
				t.Errorf("%s with a certificate of %s: %v", suite.Name, kind, err)
			}
		}
		if taken != 3 {
			t.Errorf("with a certificate of %s %d suites are taken", kind, taken)
		}
	}
}

func TestTLS_CarriesMessages(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	enigmatest.WriteCertificate(t, 1, cert, key)
	s := enigmatest.Start(t, "--tls-cert", cert, "--tls-key", key)
	alice, bob := s.Connect(s.Login("alice")), s.Connect(s.Login("bob"))
	alice.Send(bob.ID, "in private")
	expectMessage(t, bob, alice.ID, "in private")
	bob.AwaitConfirm()
	bob.Leave()
	alice.Send(bob.ID, "later")
	bob = s.Connect(bob.ID)
	expectMessage(t, bob, alice.ID, "later")
}
