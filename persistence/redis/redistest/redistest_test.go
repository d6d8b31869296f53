package redistest_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

func TestServer_KeepsItsAddressAndFilesAcrossAKill(t *testing.T) {
	s := redistest.Start(t)
	s.Do("SET", "k", "v")
	s.Kill()
	if _, err := s.Try("PING"); err == nil {
		t.Fatal("a killed server answers")
	}
	s.Restart()
	if got := s.Do("GET", "k"); got != "v" {
		t.Fatalf("after restart k = %v, want v", got)
	}
}

func TestCluster_ServesAllSlots(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	for _, key := range []string{"a", "b", "c", "d"} {
		c.Servers[c.Owner(c.Slot(key))].Do("SET", key, "v")
	}
}

func TestSentinel_KnowsItsMaster(t *testing.T) {
	s := redistest.StartSentinel(t, 1)
	if got := s.Master(); got != s.Servers[0] {
		t.Fatalf("master is %v, want the first server", got.Addr)
	}
}
