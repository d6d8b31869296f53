package redis

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Work of one Expire: pages of the key space to scan per master, keys per page, and mailboxes to clean at once.
const (
	scanPages = 64
	scanCount = 512
	cleanup   = 64
)

// Expire deletes at most limit envelopes that have expired by now, and returns how many.
//
// Redis has no index of expiries: that would be a key across users. Expire walks each master's keys with a cursor that
// it keeps from call to call, at most 32,768 keys a call, and looks closer only at mailboxes whose state says that
// something in them may be due. So what has expired is gone at the latest after one walk; until then Read skips it.
func (s *Store) Expire(ctx context.Context, now int64, limit int) (int, error) {
	ctx, cancel, err := s.begin(ctx, "redis expire")
	if err != nil {
		return 0, err
	}
	defer cancel()
	s.cursors.Lock()
	defer s.cursors.Unlock()
	total := 0
	var failed error // of one node: it must not keep the others from being cleaned
	for addr, node := range s.client.Nodes() {
		if total >= limit {
			break
		}
		if s.clustered && !isMaster(ctx, node) {
			continue
		}
		n, err := s.expireNode(ctx, addr, node, now, limit-total)
		total += n
		if err != nil {
			failed = failure("redis expire", true, err)
		}
	}
	return total, failed
}

func isMaster(ctx context.Context, node rueidis.Client) bool {
	role, err := node.Do(ctx, node.B().Role().Build()).ToArray()
	if err != nil || len(role) == 0 {
		return false
	}
	name, err := role[0].ToString()
	return err == nil && name == "master"
}

// expireNode goes on with the walk of one master. It stays at a page until nothing on it is due.
func (s *Store) expireNode(ctx context.Context, addr string, node rueidis.Client, now int64, limit int) (int, error) {
	total, wholeWalk, wrapped := 0, s.positions[addr] == 0, false
	for range scanPages {
		cursor := s.positions[addr]
		scan := node.B().Scan().Cursor(cursor).Match(s.queuePattern()).Count(scanCount).Build()
		page, err := node.Do(ctx, scan).AsScanEntry()
		if err != nil {
			return total, err
		}
		n, err := s.expireKeys(ctx, page.Elements, now, limit-total)
		total += n
		if err != nil || total >= limit {
			return total, err // the same page again next time
		}
		s.positions[addr] = page.Cursor
		if page.Cursor == 0 {
			if wholeWalk || wrapped {
				break
			}
			wrapped = true // it began in the middle: go on with the start
		}
	}
	return total, nil
}

// queuePattern matches all queues: the prefix taken literally, and a user's id.
func (s *Store) queuePattern() string {
	literal := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(s.prefix)
	return literal + "{" + strings.Repeat("?", protocol.UserIDLen) + "}:q"
}

// expireKeys cleans the mailboxes among the queues' keys in which something may be due.
func (s *Store) expireKeys(ctx context.Context, queues []string, now int64, limit int) (int, error) {
	total := 0
	due, failed := s.due(ctx, queues, now)
	for len(due) > 0 && total < limit {
		some := due[:min(len(due), cleanup, limit-total)]
		n, left, err := s.clean(ctx, some, now, (limit-total)/len(some))
		if total += n; err != nil {
			failed = err
		}
		due = append(due[len(some):], left...)
	}
	return total, failed
}

// mailbox is one to clean, and the seq after which to look.
type mailbox struct {
	keys  []string
	after uint64
}

// due reads the states of queues and returns those whose bound has passed. An error is that of some of them.
func (s *Store) due(ctx context.Context, queues []string, now int64) ([]mailbox, error) {
	calls := make([]call, len(queues))
	boxes := make([]mailbox, len(queues))
	for i, queue := range queues {
		base := strings.TrimSuffix(queue, "q")
		boxes[i].keys = []string{queue, base + "u", base + "i"}
		calls[i] = call{op: opGetField, keys: boxes[i].keys[1:2], args: []string{fieldState}}
	}
	var failed error
	due := boxes[:0]
	for i, r := range s.exec(ctx, calls, false) {
		state, err := r.AsBytes()
		switch {
		case err != nil && !rueidis.IsRedisNil(err):
			failed = s.skip(err, failed)
		case len(state) != stateLen || int64(binary.BigEndian.Uint64(state[stateExpiresAt:])) <= now:
			due = append(due, boxes[i])
		}
	}
	return due, failed
}

// skip goes on after a mailbox's error, and returns what has failed so far. One that is corrupt only its owner's calls
// may fail for.
func (s *Store) skip(err, failed error) error {
	if refusalOutcome(refusal(err)) != persistence.ErrCorrupt {
		return err
	}
	s.log.Error("redis mailbox is corrupt, its expired mail stays", "error", err)
	return failed
}

// The state's length and the place of its bound, see lua/common.lua.
const (
	stateLen       = 32
	stateExpiresAt = 24
)

// clean deletes at most share expired envelopes of each mailbox. It returns how many, and the mailboxes to go on with.
func (s *Store) clean(ctx context.Context, boxes []mailbox, now int64, share int) (int, []mailbox, error) {
	calls := make([]call, len(boxes))
	for i, box := range boxes {
		calls[i] = call{op: opExpire, keys: box.keys, args: []string{decimal(now), decimal(share), decimalSeq(box.after)}}
	}
	total := 0
	var left []mailbox
	var failed error
	for i, r := range s.exec(ctx, calls, false) {
		answer, err := r.AsIntSlice()
		switch {
		case err != nil:
			failed = s.skip(err, failed)
		case len(answer) == 2:
			total += int(answer[0])
			if answer[1] != 0 {
				left = append(left, mailbox{keys: boxes[i].keys, after: uint64(answer[1])})
			}
		}
	}
	return total, left, failed
}
