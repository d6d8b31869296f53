package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certCheck is how often, at most, handshakes look whether the certificate's files have changed.
const certCheck = 5 * time.Second

// certificate is a key pair on disk that may be renewed under a running server.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex       // guards what follows
	pair    *tls.Certificate // the last that could be read
	stamp   string           // what the files looked like when they were last read
	checked time.Time
}

// loadCertificate reads the pair for the first time.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w: write the paths of a PEM certificate chain and of its key", err)
	}
	return c, nil
}

// read takes the pair from disk. On an error the old one stays, and is not tried again until the files change.
func (c *certificate) read() error {
	c.stamp, c.checked = c.look(), c.now()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

// look describes the files' present state.
func (c *certificate) look() string {
	stamp := ""
	for _, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		}
	}
	return stamp
}

// reload reads the pair whether or not it has changed.
func (c *certificate) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renew()
}

func (c *certificate) renew() {
	if err := c.read(); err != nil {
		c.log.Error("the TLS certificate cannot be read again, the old one stays in use", "error", err)
		return
	}
	c.log.Info("TLS certificate read again")
}

// get serves a handshake. Looking at the files here needs no goroutine, and no watcher that the next way of renewing
// a certificate (a new inode, a symbolic link) gets past.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= certCheck {
		c.checked = now
		if c.look() != c.stamp {
			c.renew()
		}
	}
	return c.pair, nil
}

// config is TLS 1.2 with forward secrecy and AEADs only, and TLS 1.3. HTTP/1.1 is all the front end speaks.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		GetCertificate: c.get,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}
