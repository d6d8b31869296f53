package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/enigma-protocol/enigma/persistence"
)

// Store keeps keys and envelopes in a directory. It satisfies actors.Store.
type Store struct {
	dir    string // fixed, as is all up to the empty line
	opts   Options
	floors floors
	lock   *pebble.Lock
	db     *pebble.DB

	failure *failure
	gate    gate
	boxes   mailboxes
	keys    keyCache
	reclaim reclaimer

	ceilingMu sync.Mutex    // held over a call of Ceiling
	ceiling   atomic.Uint64 // as committed
}

// format is the version of the layout, the only one so far.
const format = 1

// engineFormat is Pebble's own version. From this one on its log says how far it was synced, so that a torn tail and a
// corrupt middle can be told apart, and the footer of a table has a checksum too.
const engineFormat = pebble.FormatTableFormatV6

// Open opens the store in a directory, which is made if it does not exist. Recovery after a crash is part of it: what
// was acknowledged is there, and a log that breaks off is read as far as it goes. A log or a table that has been damaged
// is an ErrCorrupt, here or when it is met. If the disk fails meanwhile, the directory stays locked until the process
// ends.
func Open(dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults(dir)
	s := &Store{dir: dir, opts: opts, floors: newFloors(opts.MinFree)}
	s.failure = newFailure(opts.Logger, opts.Failed)
	s.gate.failed = s.failure.done
	s.boxes.lru = newBoxLRU()
	s.keys.lru = newLRU[keyRecord](int64(opts.KeyCache), nil)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		s.opts.Logger.Warn("the store's directory is open to other users of this machine, who may read keys and mail: chmod 700", "mode", info.Mode().Perm().String())
	}
	var err error
	if s.lock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	opened := make(chan error, 1)
	go func() { opened <- s.open() }()
	select {
	case err = <-opened:
	case <-s.failure.done: // the goroutine may be held for good
		return nil, fmt.Errorf("open store in %s: %w", dir, s.failure.failed())
	}
	if err != nil {
		if s.db != nil {
			_ = s.db.Close()
		}
		_ = s.lock.Close()
		return nil, fmt.Errorf("open store in %s: %w", dir, err)
	}
	s.failure.opened.Store(true)
	if err := s.failure.failed(); err != nil { // in the background, right now
		return nil, fmt.Errorf("open store in %s: %w", dir, err)
	}
	s.startReclaimer()
	return s, nil
}

// lockDir takes the directory for this process.
func lockDir(dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	var path *fs.PathError
	switch {
	case err == nil:
		return lock, nil
	case errors.As(err, &path): // the lock file cannot be made
		return nil, err
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES), strings.Contains(err.Error(), "held by current process"):
		return nil, fmt.Errorf("another enigma is using %s: stop it, or name another directory", dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// open opens the engine and reads what is kept in memory.
func (s *Store) open() (err error) {
	defer func() { // the engine panics at some of what it does not expect in a log
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", persistence.ErrCorrupt, r)
		}
	}()
	if err := checkLogs(s.dir); err != nil {
		return err
	}
	if err := s.openEngine(); err != nil {
		return err
	}
	fresh, err := s.checkFormat()
	if err != nil {
		return err
	}
	if fresh {
		// The engine makes the first log of a new database before it has taken on its own version, hence without the
		// synced offsets that tell damage from a torn end. The next log has them.
		db := s.db
		s.db = nil
		if err := db.Close(); err != nil {
			return s.readError(err)
		}
		if err := s.openEngine(); err != nil {
			return err
		}
	}
	ceiling, err := s.number(ceilingKey)
	s.ceiling.Store(ceiling)
	return err
}

func (s *Store) openEngine() error {
	cache := pebble.NewCache(blockCache + 2*memTable)
	defer cache.Unref()
	db, err := pebble.Open(s.dir, s.engineOptions(cache))
	if s.db = db; err != nil {
		return s.readError(err)
	}
	return s.failure.failed()
}

func (s *Store) engineOptions(cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		Lock:                        s.lock,
		FS:                          &guard{FS: s.opts.fs, failure: s.failure, free: s.opts.free, floors: s.floors},
		Comparer:                    comparer,
		FormatMajorVersion:          engineFormat,
		Cache:                       cache,
		MaxOpenFiles:                s.opts.MaxFiles,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: memTables,
		L0StopWritesThreshold:       l0Stop,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      engineLogger{s.failure},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { engineLogger{s.failure}.Errorf("background: %v", err) },
			DataCorruption:  func(pebble.DataCorruptionInfo) {}, // by default fatal; whoever reads gets the error
			WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
				engineLogger{s.failure}.Errorf("writes wait for the disk: %s", info.Reason)
			},
		},
	}
	o.Experimental.ReadSamplingMultiplier = -1               // a read that schedules compactions may wait for those who write
	o.Levels[0].FilterPolicy = bloom.FilterPolicy(bloomBits) // the other levels follow it
	return o
}

// checkFormat reads the version of the layout, or writes it in a fresh store.
func (s *Store) checkFormat() (fresh bool, err error) {
	version, err := s.number(formatKey)
	switch {
	case err != nil:
		return false, err
	case version == format:
		return false, nil
	case version != 0:
		return false, fmt.Errorf("the data has format %d, and this program knows format %d: it was written by a newer enigma", version, format)
	}
	iter, err := s.db.NewIter(nil)
	if err != nil {
		return false, s.readError(err)
	}
	found := iter.First()
	if err := iter.Close(); err != nil {
		return false, s.readError(err)
	}
	if found {
		return false, fmt.Errorf("the directory holds a database that is not enigma's: %w", persistence.ErrCorrupt)
	}
	if err := s.db.Set(formatKey, appendUint64(nil, format), pebble.Sync); err != nil {
		return false, s.readError(err)
	}
	return true, s.failure.failed()
}

// number reads a value that is a number; one that is not there is 0.
func (s *Store) number(key []byte) (uint64, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, s.readError(err)
	}
	defer closer.Close()
	return parseUint64(value)
}

// admit refuses a call that is too late.
func (s *Store) admit(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", what, persistence.ErrUnavailable, err)
	}
	if err := s.failure.failed(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// room refuses a call if less than floor is free on the disk.
func (s *Store) room(what string, floor int64) error {
	free, err := s.opts.free()
	if err != nil {
		return fmt.Errorf("%s: %w: %w", what, persistence.ErrUnavailable, err)
	}
	if free < floor {
		s.reclaim.nudge()
		return fmt.Errorf("%s: %w: %d MiB free, %d MiB needed", what, persistence.ErrFull, free>>20, floor>>20)
	}
	return nil
}

// readError says what an error of the engine means to a caller who reads.
func (s *Store) readError(err error) error {
	switch {
	case err == nil, errors.Is(err, persistence.ErrCorrupt), errors.Is(err, persistence.ErrUnavailable):
		return err
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", persistence.ErrCorrupt, err)
	}
	return fmt.Errorf("%w: %w", persistence.ErrUnavailable, err)
}

// Ceiling raises the durable seq ceiling to at least raise and returns what it was before.
func (s *Store) Ceiling(ctx context.Context, raise uint64) (uint64, error) {
	s.ceilingMu.Lock()
	defer s.ceilingMu.Unlock()
	c, err := s.begin(ctx, "raise the seq ceiling", s.floors.delete)
	if err != nil {
		return 0, err
	}
	was := s.ceiling.Load()
	if raise <= was {
		c.end()
		return was, nil
	}
	_ = c.batch.Set(ceilingKey, appendUint64(nil, raise), nil)
	c.after = func() { s.ceiling.Store(raise) }
	if err := c.commit(ctx, pebble.Sync); err != nil {
		return 0, err
	}
	return was, nil
}

// Ping reports whether the store answers: not once it has failed, nor while the disk leaves a write waiting beyond its
// deadline. A full store answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.admit(ctx, "ping"); err != nil {
		return err
	}
	if s.gate.stalled() {
		return fmt.Errorf("ping: %w: the disk does not answer", persistence.ErrUnavailable)
	}
	return nil
}

// closeTimeout bounds how long Close waits for a disk that does not answer.
const closeTimeout = 5 * time.Second

// Close releases the store. A store that has failed, or whose disk does not answer, cannot be closed: Close returns the
// reason, and its directory stays locked until the process ends.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.reclaim.stop()
	err := s.gate.empty(ctx)
	if err := s.failure.failed(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	if err != nil {
		return fmt.Errorf("close store: a write is under way: %w", err)
	}
	<-s.reclaim.done
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(s.db.Close(), s.lock.Close()) }()
	select {
	case err = <-closed:
	case <-s.failure.done: // the goroutine may be held for good
		err = s.failure.failed()
	}
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}
