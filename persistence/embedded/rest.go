package embedded

import (
	"context"
	"fmt"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// restFlush is from how many bytes on a log is worth a table.
const restFlush = 1 << 20

// Rest lets go of the memory that the store takes for its speed, for when nothing has been asked of it in a while: what
// is cached is read again when it is needed, and what is only in the log goes into tables, which makes the next start
// quicker, too. It may be called at any time, by any goroutine. Where little of the disk is free the log stays as it is.
func (s *Store) Rest(ctx context.Context) error {
	s.boxes.forget()
	s.keys.forget()
	if err := s.admit(ctx, "rest"); err != nil {
		return err
	}
	c, err := s.begin(ctx, "rest", s.floors.append)
	if err != nil {
		return err
	}
	if s.db.Metrics().WAL.Size < restFlush {
		c.end()
		return nil
	}
	return c.run(ctx, s.rotate)
}

// rotate has the engine write its memtable to a table, in the background. The engine panics in places once it has failed.
func (s *Store) rotate() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	_, err = s.db.AsyncFlush()
	return err
}

// forget lets go of all keys.
func (k *keyCache) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.forget()
}

// forget lets go of all mailboxes that no call owns.
func (m *mailboxes) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lru.forget()
}

// forget drops all entries that are not held.
func (l *lru[V]) forget() {
	limit := l.limit
	l.limit = 0
	l.trim(nil)
	l.limit = limit
	if len(l.entries) == 0 {
		l.entries = make(map[protocol.UserID]*lruEntry[V]) // a map that was large stays so
	}
}
