package redistest

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// Cluster is a Redis Cluster of masters without replicas. A slot whose master is down is not served; the others are.
type Cluster struct {
	Servers []*Server

	t testing.TB
}

// StartCluster runs so many masters, which share the slots evenly in order, with args as for [Start].
func StartCluster(t testing.TB, masters int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for range masters {
		own := []string{
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)), "--cluster-node-timeout", "2000",
			"--cluster-require-full-coverage", "no", "--cluster-allow-reads-when-down", "yes",
		}
		c.Servers = append(c.Servers, Start(t, append(own, args...)...))
	}
	for i, s := range c.Servers {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
	}
	host, port, _ := net.SplitHostPort(c.Servers[0].Addr)
	for _, s := range c.Servers[1:] {
		s.Do("CLUSTER", "MEET", host, port, option(c.Servers[0].args, "--cluster-port"))
	}
	c.awaitOK()
	return c
}

// option finds the value of an option in a command line.
func option(args []string, name string) string {
	for i, arg := range args {
		if arg == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// awaitOK polls until every node knows all the others and all slots.
func (c *Cluster) awaitOK() {
	c.t.Helper()
	known := fmt.Sprintf("cluster_known_nodes:%d\r", len(c.Servers))
	c.await("cluster not ready", func() bool {
		for _, s := range c.Servers {
			info, _ := s.Do("CLUSTER", "INFO").(string)
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, known) ||
				!strings.Contains(info, "cluster_slots_ok:16384\r") {
				return false
			}
		}
		return true
	})
}

func (c *Cluster) await(what string, done func() bool) {
	c.t.Helper()
	awaitTrue(c.t, what, done)
}

func awaitTrue(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startTimeout); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("redistest: %s after %v", what, startTimeout)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// URL names all nodes.
func (c *Cluster) URL() string {
	addrs := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		addrs[i] = s.Addr
	}
	return "redis://" + strings.Join(addrs, ",")
}

// Slot is the slot of a key, as the cluster computes it.
func (c *Cluster) Slot(key string) int {
	c.t.Helper()
	return int(c.Servers[0].Do("CLUSTER", "KEYSLOT", key).(int64))
}

// Owner is the index of the server that serves a slot, as long as none was moved.
func (c *Cluster) Owner(slot int) int {
	n := len(c.Servers)
	for i := range n {
		if slot < (i+1)*slots/n {
			return i
		}
	}
	return -1
}

// Move migrates a slot between two servers as a resharding does. During is called while the slot is half-way: open
// on both sides, with some of its keys moved, so that commands meet ASK and TRYAGAIN.
func (c *Cluster) Move(slot, from, to int, during func()) {
	c.t.Helper()
	src, dst, number := c.Servers[from], c.Servers[to], strconv.Itoa(slot)
	srcID, dstID := src.Do("CLUSTER", "MYID").(string), dst.Do("CLUSTER", "MYID").(string)
	dst.Do("CLUSTER", "SETSLOT", number, "IMPORTING", srcID)
	src.Do("CLUSTER", "SETSLOT", number, "MIGRATING", dstID)
	keys := c.keysIn(src, number)
	for i, key := range keys {
		if i == len(keys)/2 {
			during()
		}
		migrate(src, dst, key)
	}
	if len(keys) == 0 {
		during()
	}
	for rest := c.keysIn(src, number); len(rest) > 0; rest = c.keysIn(src, number) {
		for _, key := range rest {
			migrate(src, dst, key)
		}
	}
	for _, s := range []*Server{dst, src} {
		s.Do("CLUSTER", "SETSLOT", number, "NODE", dstID)
	}
}

func (c *Cluster) keysIn(s *Server, slot string) []string {
	c.t.Helper()
	var keys []string
	for _, key := range s.Do("CLUSTER", "GETKEYSINSLOT", slot, "100000").([]any) {
		keys = append(keys, key.(string))
	}
	return keys
}

func migrate(src, dst *Server, key string) {
	src.t.Helper()
	host, port, _ := net.SplitHostPort(dst.Addr)
	src.Do("MIGRATE", host, port, key, "0", "5000")
}
