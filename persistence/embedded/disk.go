package embedded

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/enigma-protocol/enigma/persistence"
)

// space says how many bytes a process may still write to the file system of dir.
func space(dir string) func() (int64, error) {
	return func() (int64, error) {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			return 0, fmt.Errorf("free space of %s: %w", dir, err)
		}
		return int64(st.Bavail) * st.Bsize, nil
	}
}

// floors divide the free space between those who write. Whoever comes first to the end of it would otherwise take what
// the log needs, and a log that cannot be written ends the store.
type floors struct {
	append  int64 // below it no envelope and no key is taken in
	compact int64 // below it no table is rewritten: that needs room before it gives room
	delete  int64 // below it nothing is written on anybody's behalf; flushes may go on, for they free the log
}

func newFloors(minFree int64) floors {
	return floors{append: minFree, compact: minFree / 2, delete: minFree / 8}
}

// guard is the engine's view of the file system. It does two things that the engine does not:
//
// Once the store has failed nothing on the disk is changed any more, so that it stays as it would be after a crash. The
// engine would go on: sync a file again whose sync has failed, which succeeds and means nothing, since the kernel has
// dropped the pages; or remove what it believes replaced.
//
// A compaction gets ENOSPC while the free space is left to others. The engine tries again at once, for ever; here it
// waits before each attempt.
type guard struct {
	vfs.FS
	failure *failure
	free    func() (int64, error)
	floors  floors
	refused atomic.Int64 // when a compaction was last refused, Unix nanoseconds
}

// compactionRetry is how long a compaction waits after one that found no space.
const compactionRetry = time.Second

const compactionCategory = vfs.DiskWriteCategory("pebble-compaction")

// Unwrap is for Pebble.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// file wraps a file that may be written, or passes the error on.
func (g *guard) file(f vfs.File, err error, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, guard: g, compaction: category == compactionCategory}, nil
}

// Create makes a file.
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := g.failure.failed(); err != nil {
		return nil, err
	}
	if category == compactionCategory {
		g.pause()
	}
	f, err := g.FS.Create(name, category)
	return g.file(f, err, category)
}

// pause lets a compaction wait after one was refused.
func (g *guard) pause() {
	wait := time.Until(time.Unix(0, g.refused.Load()).Add(compactionRetry))
	if wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-g.failure.done:
	}
}

// OpenReadWrite opens a file to write to.
func (g *guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := g.failure.failed(); err != nil {
		return nil, err
	}
	f, err := g.FS.OpenReadWrite(name, category, opts...)
	return g.file(f, err, category)
}

// OpenDir opens a directory to sync it.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	return g.file(f, err, vfs.WriteCategoryUnspecified)
}

// ReuseForWrite renames a file and opens it to write to.
func (g *guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := g.failure.failed(); err != nil {
		return nil, err
	}
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	return g.file(f, err, category)
}

// Link makes a second name.
func (g *guard) Link(oldname, newname string) error {
	if err := g.failure.failed(); err != nil {
		return err
	}
	return g.FS.Link(oldname, newname)
}

// Remove removes a file.
func (g *guard) Remove(name string) error {
	if err := g.failure.failed(); err != nil {
		return err
	}
	return g.FS.Remove(name)
}

// RemoveAll removes a tree.
func (g *guard) RemoveAll(name string) error {
	if err := g.failure.failed(); err != nil {
		return err
	}
	return g.FS.RemoveAll(name)
}

// Rename renames a file.
func (g *guard) Rename(oldname, newname string) error {
	if err := g.failure.failed(); err != nil {
		return err
	}
	return g.FS.Rename(oldname, newname)
}

// MkdirAll makes a directory.
func (g *guard) MkdirAll(dir string, perm os.FileMode) error {
	if err := g.failure.failed(); err != nil {
		return err
	}
	return g.FS.MkdirAll(dir, perm)
}

// guardedFile is a file of guard.
type guardedFile struct {
	vfs.File
	guard      *guard
	compaction bool
}

// Write writes, unless the store has failed or the space is for others.
func (f *guardedFile) Write(p []byte) (int, error) {
	if err := f.guard.failure.failed(); err != nil {
		return 0, err
	}
	if f.compaction {
		if free, err := f.guard.free(); err != nil || free < f.guard.floors.compact {
			f.guard.refused.Store(time.Now().UnixNano())
			return 0, fmt.Errorf("compaction: %w: %w", persistence.ErrFull, syscall.ENOSPC)
		}
	}
	return f.File.Write(p)
}

// WriteAt writes, unless the store has failed.
func (f *guardedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.guard.failure.failed(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

// synced judges the end of a sync. One that failed ends the store: the kernel reports it once and has dropped the
// pages, so a second sync of the same file would succeed without having written them.
func (f *guardedFile) synced(err error) error {
	if err != nil {
		err = fmt.Errorf("fsync: %w", err)
		f.guard.failure.fail(err)
	}
	return err
}

// Sync syncs data and metadata.
func (f *guardedFile) Sync() error {
	if err := f.guard.failure.failed(); err != nil {
		return err
	}
	return f.synced(f.File.Sync())
}

// SyncData syncs data.
func (f *guardedFile) SyncData() error {
	if err := f.guard.failure.failed(); err != nil {
		return err
	}
	return f.synced(f.File.SyncData())
}

// SyncTo begins to sync a part of the data.
func (f *guardedFile) SyncTo(length int64) (fullSync bool, err error) {
	if err := f.guard.failure.failed(); err != nil {
		return false, err
	}
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.synced(err)
}
