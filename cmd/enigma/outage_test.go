package main_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// awaitStatus asks the admin listener until it answers with that status.
func awaitStatus(t *testing.T, s *enigmatest.Server, path string, want int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		status, text := fetch(t, s, path, "")
		if status == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s still answers %d %s, want %d", path, status, text, want)
		}
		time.Sleep(50 * time.Millisecond) // between two questions
	}
}

func TestOutage_ReadinessFollowsTheStore(t *testing.T) {
	redis := redistest.Start(t)
	s := enigmatest.Start(t, "--store", redis.URL())
	awaitStatus(t, s, "/readyz", http.StatusOK)
	redis.Stop()
	awaitStatus(t, s, "/readyz", http.StatusServiceUnavailable)
	awaitStatus(t, s, "/healthz", http.StatusOK)
	redis.Restart()
	awaitStatus(t, s, "/readyz", http.StatusOK)
}

// TestOutage_AStopWithoutTheStoreSaysWhatWasLost has mail for a connected user who never confirms, and a store that is
// away: the server can neither deliver nor keep it.
func TestOutage_AStopWithoutTheStoreSaysWhatWasLost(t *testing.T) {
	redis := redistest.Start(t)
	s := enigmatest.Start(t, "--store", redis.URL(), "--shutdown-timeout", "3s")
	alice, bob := s.Login("alice"), s.Login("bob")
	a := s.Connect(alice)
	mute := connectMute(t, s, bob)
	defer mute.Close()
	// Both are attached, and their users are in memory, once a message has gone from one to the other.
	a.Send(bob, "first")
	a.Send(alice, "to herself")
	a.Expect()
	redis.Stop()
	for range 3 {
		a.Send(bob, "more")
	}
	a.Send(alice, "to herself")
	a.Expect()
	s.ExpectStatus(1)
	s.Signal(syscall.SIGTERM)
	s.Wait()
	if log := s.Log(); !strings.Contains(log, "accepted envelopes were lost") {
		t.Errorf("the log does not say what was lost:\n%s", log)
	}
}
