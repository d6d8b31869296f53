package redis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

func TestSentinel_FailoverIsFollowed(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t, 3)
	s := start(t, sentinel.URL(), redis.Options{})
	s.timeout = time.Second
	s.putKey("bob", nil)
	s.keep(identified(mail("bob", 1, 20))...)
	s.confirm("bob", 5)
	awaitReplica(t, sentinel)
	sentinel.Watch(500)
	sentinel.Servers[0].Kill()
	s.keepAtLast(mail("bob", 21, 21)...)
	s.has("bob", 6, 21)
	s.keep(identified(mail("bob", 22, 22))...)
	s.lockUser("bob")
	if role := sentinel.Servers[1].Do("ROLE").([]any)[0]; role != "master" {
		t.Fatalf("the replica's role is %v", role)
	}
	// The old master comes back, as a replica; nothing follows it.
	sentinel.Servers[0].Restart()
	s.keepAtLast(mail("bob", 23, 23)...)
	s.has("bob", 6, 23)
}

// TestSentinel_DemotedMasterRefusesWrites: until the client has followed, nothing happens and nothing is unknown.
func TestSentinel_DemotedMasterRefusesWrites(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	s.keep(mail("bob", 1, 1)...)
	server.Do("REPLICAOF", "127.0.0.1", "1")
	for what, err := range map[string]error{"append": s.try(mail("bob", 2, 2)...)[0], "confirm": s.confirmed("bob", 1)} {
		if s.expect(what, err, persistence.ErrUnavailable); !strings.Contains(err.Error(), "READONLY") {
			t.Errorf("%s: %v, want READONLY", what, err)
		}
	}
	server.Do("REPLICAOF", "NO", "ONE")
	s.keep(mail("bob", 2, 2)...)
	s.has("bob", 1, 2)
}

// awaitReplica waits until the replica has all that the master has: replication itself promises nothing.
func awaitReplica(t *testing.T, s *redistest.Sentinel) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		info := s.Servers[0].Do("INFO", "replication").(string)
		if offset := between(info, "master_repl_offset:", "\r"); strings.Contains(info, fmt.Sprintf(",offset=%s,", offset)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the replica lags behind")
		}
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}
