package redis_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func TestMain(m *testing.M) {
	// The suite's random part runs once per deployment: less of it each time. The flag on the command line wins.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	// The cluster client reads the layout up to 1 s after it is closed, and closes what it no longer needs 5 s later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient).redirectOrNew.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// conformance runs the suite over the servers at url, each test after emptying them.
func conformance(t *testing.T, url string, servers ...*redistest.Server) {
	each := func(args ...string) func(*testing.T) {
		return func(*testing.T) {
			for _, s := range servers {
				s.Do(args...)
			}
		}
	}
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		each("FLUSHALL", "SYNC")(t)
		opts := redis.Options{Quota: quota}
		return &storetest.Instance{
			Store:  open(t, url, opts),
			Reopen: func(t *testing.T) actors.Store { return open(t, url, opts) },
			Fill:   each("CONFIG", "SET", "maxmemory", "1"),
			Free:   each("CONFIG", "SET", "maxmemory", "0"),
		}
	})
}

// unsynced spares the disk where a test kills nothing.
var unsynced = []string{"--appendfsync", "no"}

func TestStore_Plain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	conformance(t, s.URL(), s)
}

func TestStore_WithoutFunctions(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, append(unsynced, "--rename-command", "FUNCTION", "", "--rename-command", "FCALL", "")...)
	conformance(t, s.URL(), s)
}

func TestStore_Cluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, unsynced...)
	conformance(t, c.URL(), c.Servers...)
}
