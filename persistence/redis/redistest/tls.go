package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// StartTLS is [Start] for a server that also takes TLS connections. The URL is of those, and names the certificate to
// trust. The server's own methods use its plain port.
func StartTLS(t testing.TB, args ...string) (s *Server, tlsURL string) {
	t.Helper()
	cert, key := certificate(t)
	port := strconv.Itoa(freePort(t))
	own := []string{"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
		"--tls-auth-clients", "no"}
	s = Start(t, append(own, args...)...)
	return s, "rediss://" + net.JoinHostPort("127.0.0.1", port) + "?ca=" + url.QueryEscape(cert)
}

// certificate makes a self-signed certificate for 127.0.0.1 and returns its file and that of its key.
func certificate(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyBytes, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return writePEM(t, dir, "CERTIFICATE", cert), writePEM(t, dir, "EC PRIVATE KEY", keyBytes)
}

func writePEM(t testing.TB, dir, kind string, b []byte) string {
	t.Helper()
	name := filepath.Join(dir, strconv.Itoa(len(kind))+".pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
