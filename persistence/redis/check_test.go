package redis_test

import (
	"net"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// warnings opens a store and returns what it warned of.
func warnings(t *testing.T, url string) string {
	t.Helper()
	var log logged
	start(t, url, redis.Options{Logger: log.logger()})
	var lines []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "level=WARN") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestOpen_WarnsWhereThePromiseIsWeaker(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string // what the one warning says; none if empty
	}{
		"durable":                {nil, ""},
		"volatile eviction":      {[]string{"--maxmemory-policy", "volatile-lru"}, ""}, // no key of ours is volatile
		"no append-only file":    {[]string{"--appendonly", "no"}, "set appendonly yes"},
		"synced every second":    {[]string{"--appendfsync", "everysec"}, "set appendfsync always"},
		"not synced":             {[]string{"--appendfsync", "no"}, "set appendfsync always"},
		"not synced in rewrites": {[]string{"--no-appendfsync-on-rewrite", "yes"}, "set no-appendfsync-on-rewrite no"},
		"eviction":               {[]string{"--maxmemory-policy", "allkeys-lfu"}, "set maxmemory-policy noeviction"},
		"CONFIG forbidden":       {[]string{"--rename-command", "CONFIG", ""}, "forbids CONFIG"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := warnings(t, redistest.Start(t, c.args...).URL())
			if !strings.Contains(got, c.want) || strings.Count(got, "\n") != min(1, len(c.want)) {
				t.Fatalf("warned of:\n%swant one of %q", got, c.want)
			}
		})
	}
}

func TestOpen_WarnsOfWhatInfoTellsWhereConfigIsForbidden(t *testing.T) {
	t.Parallel()
	got := warnings(t, redistest.Start(t, "--rename-command", "CONFIG", "", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru").URL())
	for _, want := range []string{"forbids CONFIG", "set appendonly yes", "set maxmemory-policy noeviction"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestOpen_WarnsOfReplication(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	if got := warnings(t, s.URL()); !strings.Contains(got, "may be lost in a failover") {
		t.Errorf("with a replica, warned of:\n%s", got)
	}
	s.Servers[1].Do("REPLICAOF", "NO", "ONE")
	if got := warnings(t, s.URL()); !strings.Contains(got, "has no replica") {
		t.Errorf("with sentinels and no replica, warned of:\n%s", got)
	}
}

func TestOpen_WarnsOfAClusterOnce(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, unsynced...)
	got := warnings(t, c.URL())
	for _, want := range []string{"has no replica", "set appendfsync always"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("not one %q in:\n%s", want, got)
		}
	}
}

func TestOpen_WarnsOfAnOpenServer(t *testing.T) {
	t.Parallel()
	addr := outside(redistest.Start(t))
	if got := warnings(t, "redis://"+addr); !strings.Contains(got, "without a password") {
		t.Errorf("warned of:\n%s", got)
	}
	addr = outside(redistest.Start(t, "--requirepass", "hush"))
	if got := warnings(t, "redis://:hush@"+addr); got != "" {
		t.Errorf("with a password, warned of:\n%s", got)
	}
}

// outside is an address of this machine that is not called loopback.
func outside(s *redistest.Server) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return net.JoinHostPort("0.0.0.0", port)
}

func TestOpen_LogsNoCredentials(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "hush-hush", "--rename-command", "FUNCTION", "")
	var log logged
	s := start(t, "redis://:hush-hush@"+server.Addr, redis.Options{Logger: log.logger()})
	server.Kill()
	err := s.try(mail("bob", 1, 1)...)[0]
	if text := log.String() + err.Error(); strings.Contains(text, "hush") {
		t.Fatalf("the password was told:\n%s", text)
	}
}

func TestOpen_TLS(t *testing.T) {
	t.Parallel()
	_, url := redistest.StartTLS(t)
	s := start(t, url, redis.Options{})
	s.keep(mail("bob", 1, 3)...)
	s.has("bob", 1, 3)
	bare, _, _ := strings.Cut(url, "?")
	if store, err := redis.Open(t.Context(), bare, redis.Options{}); err == nil {
		store.Close()
		t.Fatal("a certificate that nobody vouches for was accepted")
	}
	if got := warnings(t, bare+"?insecure=1"); !strings.Contains(got, "is not verified") {
		t.Fatalf("warned of:\n%s", got)
	}
}
