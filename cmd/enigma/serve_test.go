package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestServe_EndsWhenTheStoreFailsForGood has the store report what it reports after a failed fsync.
func TestServe_EndsWhenTheStoreFailsForGood(t *testing.T) {
	cfg, err := load(t, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &server{cfg: cfg, log: slog.New(slog.NewTextHandler(&log, nil)), failed: make(chan error, 4)}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("fsync: input/output error")
	s.storeFailed(broken)
	if err := s.run(make(chan os.Signal)); !errors.Is(err, broken) {
		t.Errorf("the server ended with %v", err)
	}
	if !strings.Contains(log.String(), broken.Error()) {
		t.Errorf("the log does not say why:\n%s", &log)
	}
}
