package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Fields of a user's state beside the functions' own.
const (
	fieldKey    = "k"
	fieldLocked = "l"
	fieldState  = "s"
)

// PutKeys stores keys of users not yet known; for known ones it does nothing. When memory is exhausted it still
// succeeds for users who are known.
func (s *Store) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	ctx, cancel, err := s.begin(ctx, "redis put key")
	if err != nil {
		return err
	}
	defer cancel()
	calls := make([]call, len(keys))
	for i := range keys {
		locked := "0"
		if keys[i].Locked {
			locked = "1"
		}
		calls[i] = call{op: opPut, keys: s.keys(keys[i].User), args: []string{string(keys[i].Key), locked}}
	}
	results := s.exec(ctx, calls, true)
	// Redis refuses the call before it could see that there is nothing to do: ask whether the user is known.
	s.again(ctx, calls, results, func(c call) call {
		return call{op: opExists, keys: c.keys[1:2], args: []string{fieldKey}}
	})
	for i := range results {
		known, err := results[i].ToInt64()
		switch {
		case err != nil:
			errs[i] = failure("redis put key", true, err)
		case known == 0:
			errs[i] = fmt.Errorf("redis put key: %w", persistence.ErrFull)
		default:
			errs[i] = nil
		}
	}
	return nil
}

// Keys looks up users and fills the records. Unknown users are no error: their Key is nil.
func (s *Store) Keys(ctx context.Context, users []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	ctx, cancel, err := s.begin(ctx, "redis read key")
	if err != nil {
		return err
	}
	defer cancel()
	calls := make([]call, len(users))
	for i := range users {
		calls[i] = call{op: opGetFields, keys: s.keys(users[i])[1:2], args: []string{fieldKey, fieldLocked}}
	}
	for i, r := range s.exec(ctx, calls, false) {
		var err error
		keys[i], err = keyRecord(users[i], r)
		errs[i] = nil
		if err != nil {
			errs[i] = failure("redis read key", false, err)
		}
	}
	return nil
}

func keyRecord(user protocol.UserID, r rueidis.RedisResult) (persistence.KeyRecord, error) {
	record := persistence.KeyRecord{User: user}
	fields, err := r.ToArray()
	if err != nil {
		return record, err
	}
	if len(fields) != 2 {
		return record, fmt.Errorf("%w: %d fields", persistence.ErrCorrupt, len(fields))
	}
	if !fields[0].IsNil() {
		if record.Key, err = fields[0].AsBytes(); err != nil {
			return record, err
		}
	}
	record.Locked = record.Key != nil && !fields[1].IsNil()
	return record, nil
}

// Lock marks known users as having to prove possession of their key. It works when memory is exhausted. Users who are
// not known are left alone.
func (s *Store) Lock(ctx context.Context, users []protocol.UserID, errs []error) error {
	ctx, cancel, err := s.begin(ctx, "redis lock")
	if err != nil {
		return err
	}
	defer cancel()
	calls := make([]call, len(users))
	for i := range users {
		calls[i] = call{op: opLock, keys: s.keys(users[i])}
	}
	for i, r := range s.exec(ctx, calls, false) {
		errs[i] = nil
		if err := r.Error(); err != nil {
			errs[i] = failure("redis lock", true, err)
		}
	}
	return nil
}

// Ceiling raises the durable seq ceiling to at least raise and returns what it was before. It works when memory is
// exhausted.
func (s *Store) Ceiling(ctx context.Context, raise uint64) (uint64, error) {
	ctx, cancel, err := s.begin(ctx, "redis ceiling")
	if err != nil {
		return 0, err
	}
	defer cancel()
	if raise > maxSeq {
		return 0, fmt.Errorf("redis ceiling: %d out of range", raise)
	}
	r := s.exec(ctx, []call{{op: opCeiling, keys: []string{s.ceilingKey()}, args: []string{decimalSeq(raise)}}}, false)
	text, err := r[0].ToString()
	if err != nil {
		return 0, failure("redis ceiling", raise > 0, err)
	}
	before, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("redis ceiling: %w: not a number", persistence.ErrCorrupt)
	}
	return before, nil
}
