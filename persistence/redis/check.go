package redis

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// What weakens "durable on return", as it is logged. The settings are those of the server's configuration.
const (
	warnAppendOnly = "redis keeps no append-only file: what it acknowledged is lost when it ends; set appendonly yes"
	warnFsync      = "redis syncs its append-only file after it answers: " +
		"what it acknowledged last is lost when its machine fails; set appendfsync always"
	warnRewrite = "redis does not sync its append-only file while it rewrites it: " +
		"what it acknowledged meanwhile is lost when its machine fails; set no-appendfsync-on-rewrite no"
	warnEviction  = "redis may evict keys and mail when its memory is full; set maxmemory-policy noeviction"
	warnReplicas  = "redis replicates after it answers: what it acknowledged last may be lost in a failover"
	warnNoReplica = "redis has no replica: nothing takes over when this master fails"
	warnConfig    = "redis forbids CONFIG: whether acknowledged mail is durable could not be checked; " +
		"it needs appendonly yes, appendfsync always, no-appendfsync-on-rewrite no and maxmemory-policy noeviction"
	warnPassword = "redis is reached over a network without a password: anyone there can read and delete mail"
	warnInsecure = "the TLS certificate of redis is not verified: anyone on the way can read and change mail"
)

// settings are those that warn looks at.
var settings = []string{"appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy"}

// warn logs, once per kind, in what the servers promise less than durable. What cannot be found out is no error.
func (s *Store) warn(ctx context.Context, t *target) {
	var found []string
	if t.exposed() {
		found = append(found, warnPassword)
	}
	if t.tls != nil && t.tls.InsecureSkipVerify {
		found = append(found, warnInsecure)
	}
	for _, node := range s.client.Nodes() {
		if s.clustered && !isMaster(ctx, node) {
			continue
		}
		found = append(found, checkSettings(ctx, node)...)
		found = append(found, checkReplicas(ctx, node, s.clustered || t.master != "")...)
	}
	slices.Sort(found)
	for _, text := range slices.Compact(found) {
		s.log.Warn(text)
	}
}

// checkSettings judges a server's configuration. The policies volatile-* are as good as noeviction, because no key of
// ours ever has a time to live.
func checkSettings(ctx context.Context, node rueidis.Client) []string {
	cmds := make(rueidis.Commands, len(settings))
	for i, name := range settings { // one each: servers before 7 take one
		cmds[i] = node.B().ConfigGet().Parameter(name).Build()
	}
	values := make(map[string]string)
	for i, r := range node.DoMulti(ctx, cmds...) {
		answer, err := r.AsStrMap()
		if err != nil {
			return append(checkInfo(ctx, node), warnConfig)
		}
		values[settings[i]] = answer[settings[i]]
	}
	var found []string
	if values["appendonly"] != "yes" {
		found = append(found, warnAppendOnly)
	} else if values["appendfsync"] != "always" {
		found = append(found, warnFsync)
	} else if values["no-appendfsync-on-rewrite"] == "yes" {
		found = append(found, warnRewrite)
	}
	if strings.HasPrefix(values["maxmemory-policy"], "allkeys-") {
		found = append(found, warnEviction)
	}
	return found
}

// checkInfo finds what INFO tells of the configuration where CONFIG is forbidden.
func checkInfo(ctx context.Context, node rueidis.Client) []string {
	var found []string
	info, err := node.Do(ctx, node.B().Info().Section("persistence").Build()).ToString()
	if err == nil && strings.Contains(info, "aof_enabled:0") {
		found = append(found, warnAppendOnly)
	}
	info, err = node.Do(ctx, node.B().Info().Section("memory").Build()).ToString()
	if err == nil && strings.Contains(info, "maxmemory_policy:allkeys-") {
		found = append(found, warnEviction)
	}
	return found
}

// checkReplicas judges replication. Without anything that fails over, a missing replica is no surprise.
func checkReplicas(ctx context.Context, node rueidis.Client, failsOver bool) []string {
	info, err := node.Do(ctx, node.B().Info().Section("replication").Build()).ToString()
	switch {
	case err != nil:
		return nil
	case !strings.Contains(info, "connected_slaves:0"):
		return []string{warnReplicas}
	case failsOver:
		return []string{warnNoReplica}
	}
	return nil
}
