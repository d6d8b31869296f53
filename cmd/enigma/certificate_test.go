package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestCertificate_IsReadAgainWhenItsFilesChange(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	enigmatest.WriteCertificate(t, 1, certFile, keyFile)
	var log bytes.Buffer
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := c.now()
	c.now = func() time.Time { return now }
	serial := func() int64 {
		t.Helper()
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.Int64()
	}
	// Another length, for the modification time may have the resolution of a clock tick.
	enigmatest.WriteCertificate(t, 1<<60, certFile, keyFile)
	if got := serial(); got != 1 {
		t.Errorf("certificate %d before it is time to look", got)
	}
	now = now.Add(certCheck)
	if got := serial(); got != 1<<60 {
		t.Errorf("certificate %d after it is time to look\n%s", got, &log)
	}
}
