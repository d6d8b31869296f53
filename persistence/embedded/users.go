package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// keyRecord is a key as it is cached. It is not changed once it is there; key is not handed out.
type keyRecord struct {
	key    []byte
	locked bool
}

// keyCache holds the keys used last. Unknown users are not in it: anybody can ask for as many as they like.
type keyCache struct {
	mu  sync.Mutex // guards lru
	lru *lru[keyRecord]
}

// keyOverhead is about what an entry takes beside its key.
const keyOverhead = 160

func (k *keyCache) get(user protocol.UserID) (keyRecord, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.lru.get(user); e != nil {
		return e.value, true
	}
	return keyRecord{}, false
}

func (k *keyCache) put(user protocol.UserID, r keyRecord) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.put(user, r, keyOverhead+int64(len(r.key)))
}

// keyOf looks a user up, in the cache and then in the engine. Unknown users have a nil key.
func (s *Store) keyOf(user protocol.UserID) (keyRecord, error) {
	if r, ok := s.keys.get(user); ok {
		return r, nil
	}
	value, closer, err := s.db.Get(appendUserKey(nil, keyKind, user))
	if errors.Is(err, pebble.ErrNotFound) {
		return keyRecord{}, nil
	}
	if err != nil {
		return keyRecord{}, s.readError(err)
	}
	defer closer.Close()
	key, locked, err := parseKeyRecord(value)
	if err != nil {
		return keyRecord{}, err
	}
	r := keyRecord{append([]byte{}, key...), locked}
	s.keys.put(user, r)
	return r, nil
}

// Keys looks up users. It waits for nobody.
func (s *Store) Keys(ctx context.Context, users []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	if err := s.admit(ctx, "look up keys"); err != nil {
		return err
	}
	for i, user := range users {
		keys[i], errs[i] = persistence.KeyRecord{User: user}, nil
		r, err := s.keyOf(user)
		if err != nil {
			errs[i] = fmt.Errorf("look up key: %w", err)
			continue
		}
		keys[i].Key, keys[i].Locked = bytes.Clone(r.key), r.locked
	}
	return nil
}

// PutKeys stores keys of users not yet known. It is durable on return.
func (s *Store) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	return s.writeKeys(ctx, "put keys", s.floors.append, errs, func(i int, written map[protocol.UserID]keyRecord) error {
		k := &keys[i]
		r, err := s.keyOf(k.User)
		if _, ok := written[k.User]; ok || err != nil || r.key != nil {
			return err
		}
		written[k.User] = keyRecord{append([]byte{}, k.Key...), k.Locked}
		return nil
	})
}

// Lock marks known users as having to prove possession of their key. It is durable on return.
func (s *Store) Lock(ctx context.Context, users []protocol.UserID, errs []error) error {
	return s.writeKeys(ctx, "lock users", s.floors.delete, errs, func(i int, written map[protocol.UserID]keyRecord) error {
		r, err := s.keyOf(users[i])
		if err != nil || r.key == nil || r.locked {
			return err
		}
		written[users[i]] = keyRecord{r.key, true}
		return nil
	})
}

// writeKeys makes one call that writes key records: item adds that of the i-th item, if there is anything to write.
func (s *Store) writeKeys(ctx context.Context, what string, floor int64, errs []error, item func(i int, written map[protocol.UserID]keyRecord) error) error {
	c, err := s.begin(ctx, what, floor)
	if err != nil {
		return err
	}
	written := make(map[protocol.UserID]keyRecord)
	for i := range errs {
		errs[i] = nil
		if err := item(i, written); err != nil {
			errs[i] = fmt.Errorf("%s: %w", what, err)
		}
	}
	for user, r := range written {
		c.key = appendUserKey(c.key[:0], keyKind, user)
		n := len(c.key)
		c.key = appendKeyRecord(c.key, r.key, r.locked)
		_ = c.batch.Set(c.key[:n], c.key[n:], nil)
	}
	c.after = func() {
		for user, r := range written {
			s.keys.put(user, r)
		}
	}
	return c.commit(ctx, pebble.Sync)
}
