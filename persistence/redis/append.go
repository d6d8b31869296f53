package redis

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Bounds of one append call on the server, which is one turn of it. More of one user goes in further rounds.
const (
	maxAppendCount = 1024
	maxAppendBytes = 4 << 20
	digestLen      = 16
)

// Append adds envelopes, each user's in ascending seq. They are durable on return if Redis is configured so.
//
// The envelopes of one user travel in one call of the append function, so that a user's items succeed as a prefix
// whatever happens to the rest of the batch. Where more than a call takes is one user's, the rest waits for its answer.
func (s *Store) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	ctx, cancel, err := s.begin(ctx, "redis append")
	if err != nil {
		return err
	}
	defer cancel()
	groups := groupByUser(pending, errs)
	for len(groups) > 0 {
		groups = s.appendRound(ctx, pending, groups, errs)
	}
	return nil
}

// group is what is left to append for one user: indexes into the batch.
type group struct {
	items []int32
	full  bool // the quota has refused one
}

// groupByUser splits a batch. An envelope that cannot be stored fails, and so do its user's later ones.
func groupByUser(pending []persistence.Pending, errs []error) []group {
	users := make(map[protocol.UserID]int32, len(pending))
	places := make([]int32, len(pending)) // which group each envelope is in
	var sizes []int32
	var broken map[int32]error
	for i := range pending {
		at, ok := users[pending[i].To]
		if !ok {
			at = int32(len(sizes))
			users[pending[i].To] = at
			sizes = append(sizes, 0)
		}
		if errs[i] = broken[at]; errs[i] == nil {
			errs[i] = checkPending(&pending[i])
		}
		if places[i] = at; errs[i] == nil {
			sizes[at]++
			continue
		}
		if broken == nil {
			broken = make(map[int32]error)
		}
		broken[at] = errs[i]
	}
	return fillGroups(places, sizes, errs)
}

// fillGroups gives each group the indexes of its envelopes, in one allocation.
func fillGroups(places, sizes []int32, errs []error) []group {
	groups, all := make([]group, len(sizes)), make([]int32, 0, len(places))
	for at, n := range sizes {
		start := len(all)
		all = all[:start+int(n)]
		groups[at].items = all[start:start:len(all)]
	}
	for i, at := range places {
		if errs[i] == nil {
			groups[at].items = append(groups[at].items, int32(i))
		}
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.items) == 0 })
}

// appendRound makes one call per group and returns the groups of which something is left.
func (s *Store) appendRound(ctx context.Context, pending []persistence.Pending, groups []group, errs []error) []group {
	calls := s.appendCalls(pending, groups)
	results := s.exec(ctx, calls, true)
	// What an earlier attempt has kept must not be answered "full, nothing kept".
	s.again(ctx, calls, results, func(c call) call { c.op = opProbe; return c })
	left := groups[:0]
	for i := range groups {
		g, n := groups[i], len(calls[i].args)-3
		if err := g.settle(results[i], n, errs); err != nil {
			for _, at := range g.items {
				errs[at] = err
			}
			continue
		}
		if g.items = g.items[n:]; len(g.items) > 0 {
			left = append(left, g)
		}
	}
	return left
}

// settle reads the answer for the first n items. An error is that of all items that are left.
func (g *group) settle(r rueidis.RedisResult, n int, errs []error) error {
	answer, err := r.ToString()
	if err != nil {
		return failure("redis append", true, err)
	}
	if len(answer) != n {
		return fmt.Errorf("redis append: %w: %d answers for %d", persistence.ErrUnknownOutcome, len(answer), n)
	}
	for i, at := range g.items[:n] {
		switch answer[i] {
		case 'k':
			errs[at] = nil
		case 'q':
			errs[at], g.full = persistence.ErrQuota, true
		case 'd':
			errs[at] = persistence.ErrDuplicate
		case 'c':
			errs[at] = persistence.ErrConflict
		default: // 'f', and then all that follow
			g.items = g.items[i:]
			return fmt.Errorf("redis append: %w", persistence.ErrFull)
		}
	}
	return nil
}

// appendCalls encodes the next call of each group. All strings are slices of one buffer.
func (s *Store) appendCalls(pending []persistence.Pending, groups []group) []call {
	counts := make([]int, len(groups))
	size, strings := 0, 0
	for i := range groups {
		n, bytes := nextCall(pending, groups[i].items)
		counts[i] = n
		strings += n + 3
		size += bytes + n*(1+digestLen) + 1 + 3*(len(s.prefix)+protocol.UserIDLen+4)
	}
	buf, args := make([]byte, 0, size), make([]string, 0, strings)
	calls := make([]call, len(groups))
	for i := range groups {
		items := groups[i].items[:counts[i]]
		var keys []string
		buf, keys = s.appendKeys(buf, pending[items[0]].To)
		start := len(args)
		buf, args = s.appendArgs(buf, args, pending, items, groups[i].full)
		calls[i] = call{op: opAppend, keys: keys, args: args[start:len(args):len(args)]}
	}
	return calls
}

// nextCall is how many of the items fit one call, at least one, and the bytes of their records.
func nextCall(pending []persistence.Pending, items []int32) (n, bytes int) {
	for _, at := range items {
		size := recordSize(&pending[at])
		if n == maxAppendCount || n > 0 && bytes+size > maxAppendBytes {
			break
		}
		n, bytes = n+1, bytes+size
	}
	return n, bytes
}

// appendArgs encodes the arguments of one call, see lua/append.lua.
func (s *Store) appendArgs(
	buf []byte, args []string, pending []persistence.Pending, items []int32, full bool,
) ([]byte, []string) {
	args = append(args, s.quota[0], s.quota[1])
	start := len(buf)
	buf = append(buf, flag(full, 'q'))
	for _, at := range items {
		buf = append(buf, flag(pending[at].Accepted, 'a'))
	}
	for _, at := range items {
		if p := &pending[at]; p.ID != "" {
			digest := sha256.Sum256(p.Payload)
			buf = append(buf, digest[:digestLen]...)
		}
	}
	args = append(args, rueidis.BinaryString(buf[start:]))
	for _, at := range items {
		start = len(buf)
		buf = appendRecord(buf, &pending[at])
		args = append(args, rueidis.BinaryString(buf[start:]))
	}
	return buf, args
}

func flag(set bool, letter byte) byte {
	if set {
		return letter
	}
	return '-'
}
