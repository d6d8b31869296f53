package main_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
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
