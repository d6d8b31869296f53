package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// WithFree makes a store believe that so many bytes of its disk are free.
func (o Options) WithFree(free func() (int64, error)) Options {
	o.free = free
	return o
}

// Flush writes what is in memory to tables; with compact it merges all tables too.
func (s *Store) Flush(compact bool) error {
	if err := s.db.Flush(); err != nil || !compact {
		return err
	}
	return s.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
}

// StartFlush begins to write what is in memory to tables.
func (s *Store) StartFlush() error {
	_, err := s.db.AsyncFlush()
	return err
}

// Forget empties the caches, but for what calls under way hold, so that everything is read from the engine.
func (s *Store) Forget() {
	s.boxes.forget()
	s.keys.forget()
}

// Tables returns how many bytes of tables there are.
func (s *Store) Tables() uint64 {
	total := s.db.Metrics().Total()
	return uint64(total.TablesSize)
}

// RefusedCompactions returns how many compactions have failed.
func (s *Store) RefusedCompactions() int64 { return s.db.Metrics().Compact.FailedCount }

// Failure returns why the store has failed, or nil.
func (s *Store) Failure() error { return s.failure.failed() }

// Fail ends the store.
func (s *Store) Fail(err error) { s.failure.fail(err) }

// WithFS makes a store use another file system.
func (o Options) WithFS(fs vfs.FS) Options {
	o.fs = fs
	return o
}

// Tamper sets the stored value of an envelope.
func (s *Store) Tamper(user protocol.UserID, seq uint64, value []byte) error {
	return s.db.Set(appendMailKey(nil, user, seq), value, pebble.Sync)
}

// SetFormat sets the stored version of the layout.
func (s *Store) SetFormat(version uint64) error {
	return s.db.Set(formatKey, appendUint64(nil, version), pebble.Sync)
}
