package embedded

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/enigma-protocol/enigma/persistence"
)

// Options are how a store is opened. The zero value will do.
type Options struct {
	// Quota bounds each mailbox. The zero value is no bound.
	Quota persistence.Quota
	// MinFree is how many bytes of the disk are left free: with less, Append and PutKeys return ErrFull. It is what
	// deletes need to gain space again. Default: 128 MiB, four memtables. Much less is at the risk of the store: if the
	// log meets a full disk, the engine fails.
	MinFree int64
	// KeyCache bounds the memory of the cached keys, in bytes. Default: 1 MiB.
	KeyCache int
	// MaxFiles is how many files the engine should have open at a time; it asks for 64 at least. Default: 1,000.
	MaxFiles int
	// Logger hears what an operator should know. Default: slog.Default().
	Logger *slog.Logger
	// Failed is called at most once, on a goroutine of its own, when the engine has failed for good, after a failed fsync
	// for example. From then on every call returns ErrUnavailable, and nothing on the disk is changed any more. The
	// program should exit with a status other than 0; what is on the disk is read back at the next start.
	Failed func(error)

	free func() (int64, error) // free bytes of the disk; tests make it say what they like
	fs   vfs.FS                // tests make it slow or faulty
}

const (
	memTable       = 32 << 20 // bytes; twice that while one is flushed
	memTables      = 4        // how many may wait for their flush before writing waits
	blockCache     = 32 << 20 // bytes; the engine counts its memtables as part of the cache, so these come on top
	l0Stop         = 36       // layers of fresh tables at which writing waits for compactions; each costs every read
	bloomBits      = 10       // per key
	defaultMinFree = max(64<<20, memTables*memTable)
	defaultKeys    = 1 << 20
)

func (o Options) withDefaults(dir string) Options {
	if o.MinFree <= 0 {
		o.MinFree = defaultMinFree
	}
	if o.KeyCache <= 0 {
		o.KeyCache = defaultKeys
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.fs == nil {
		o.fs = vfs.Default
	}
	if o.free == nil {
		o.free = space(dir)
	}
	return o
}
