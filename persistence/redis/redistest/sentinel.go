package redistest

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// Sentinel is a master with one replica and Sentinels that watch them and fail over.
type Sentinel struct {
	Name      string    // the master's name
	Servers   []*Server // the first master and the first replica
	Sentinels []*Server

	t testing.TB
}

// StartSentinel runs a master, a replica and so many sentinels, all of which but a minority must agree on a failover.
// The args go to master and replica, as for [Start].
func StartSentinel(t testing.TB, sentinels int, args ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{Name: "mail", t: t}
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	master := Start(t, args...)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := Start(t, append(args, "--replicaof", host+" "+port)...)
	s.Servers = []*Server{master, replica}
	awaitTrue(t, "replica not in sync", func() bool {
		return strings.Contains(replica.Do("INFO", "replication").(string), "master_link_status:up")
	})
	for range sentinels {
		one := start(t, "redis-sentinel", nil)
		one.Do("SENTINEL", "MONITOR", s.Name, host, port, strconv.Itoa(sentinels/2+1))
		one.Do("SENTINEL", "SET", s.Name, "down-after-milliseconds", "60000", "failover-timeout", "3000")
		s.Sentinels = append(s.Sentinels, one)
	}
	s.awaitAcquainted()
	return s
}

// awaitAcquainted polls until every sentinel knows the replica and the other sentinels.
func (s *Sentinel) awaitAcquainted() {
	s.t.Helper()
	awaitTrue(s.t, "sentinels do not know each other", func() bool {
		for _, one := range s.Sentinels {
			if len(one.Do("SENTINEL", "SENTINELS", s.Name).([]any)) != len(s.Sentinels)-1 ||
				len(one.Do("SENTINEL", "REPLICAS", s.Name).([]any)) != 1 {
				return false
			}
		}
		return true
	})
}

// Watch makes the sentinels take a server that has not answered for so many milliseconds for dead. At first that is a
// minute, so that a busy machine causes no failover.
func (s *Sentinel) Watch(milliseconds int) {
	s.t.Helper()
	for _, one := range s.Sentinels {
		one.Do("SENTINEL", "SET", s.Name, "down-after-milliseconds", strconv.Itoa(milliseconds))
	}
}

// URL names all sentinels and the master's name.
func (s *Sentinel) URL() string {
	addrs := make([]string, len(s.Sentinels))
	for i, one := range s.Sentinels {
		addrs[i] = one.Addr
	}
	return "redis+sentinel://" + strings.Join(addrs, ",") + "/" + s.Name
}

// Master is the server that the first sentinel takes for the master now.
func (s *Sentinel) Master() *Server {
	s.t.Helper()
	addr := s.Sentinels[0].Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Name).([]any)
	for _, server := range s.Servers {
		if server.Addr == net.JoinHostPort(addr[0].(string), addr[1].(string)) {
			return server
		}
	}
	s.t.Fatal("redistest: master unknown")
	return nil
}
