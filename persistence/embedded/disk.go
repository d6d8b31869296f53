package embedded

import (
	"errors"
	"fmt"
	"math"
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
		usage, err := vfs.Default.GetDiskUsage(dir)
		if err != nil {
			return 0, fmt.Errorf("free space of %s: %w", dir, err)
		}
		return int64(min(usage.AvailBytes, math.MaxInt64)), nil
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
	return floors{append: minFree, compact: minFree / 4, delete: minFree / 8}
}

// guard is the engine's view of the file system. It does three things that the engine does not:
//
// An error that the engine does not survive never reaches it: of a sync, whatever the file, and of any change to a file
// that is not a table. The store fails, and the goroutine stays in the guard for good. The engine would panic with its
// locks in disorder, which ends the process with a stack dump, or go on.
//
// Once the store has failed nothing on the disk is changed any more, so that it stays as it would be after a crash. The
// engine would sync again, which succeeds and means nothing, since the kernel has dropped the pages, or remove what it
// believes replaced.
//
// A compaction gets ENOSPC while the free space is left to others. The engine tries again at once, for ever, as it does
// with a flush that finds the disk full; here both wait before they try again.
type guard struct {
	vfs.FS
	failure *failure
	free    func() (int64, error)
	floors  floors
	noSpace [2]atomic.Int64 // when a flush and a compaction last found no space, Unix nanoseconds
}

// tableRetry is how long a table waits after one that found no space.
const tableRetry = time.Second

// Tables are written by these, the rest by others.
const (
	compactionCategory = vfs.DiskWriteCategory("pebble-compaction")
	flushCategory      = vfs.DiskWriteCategory("pebble-memtable-flush")
)

// Unwrap is for Pebble.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// pass lets a change begin. It does not return once the store has failed.
func (g *guard) pass() {
	if g.failure.failed() != nil {
		g.failure.freeze()
	}
}

// must judges an error that the engine would not survive. It does not return if there is one.
func (g *guard) must(what string, err error) {
	if err != nil {
		g.failure.fail(fmt.Errorf("%s: %w", what, err))
		g.failure.freeze()
	}
}

// file judges an attempt to open a file for writing.
func (g *guard) file(f vfs.File, err error, category vfs.DiskWriteCategory) (vfs.File, error) {
	guarded := &guardedFile{File: f, guard: g}
	switch category {
	case flushCategory:
		guarded.noSpace = &g.noSpace[0]
	case compactionCategory:
		guarded.noSpace, guarded.compaction = &g.noSpace[1], true
	}
	switch {
	case err == nil:
		return guarded, nil
	case guarded.noSpace != nil:
		return nil, err
	}
	g.must("create file", err)
	return nil, err
}

// Create makes a file.
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch category {
	case flushCategory:
		g.pause(&g.noSpace[0])
	case compactionCategory:
		g.pause(&g.noSpace[1])
	}
	g.pass()
	f, err := g.FS.Create(name, category)
	return g.file(f, err, category)
}

// pause lets a table wait after one of its kind that found no space at some time.
func (g *guard) pause(noSpace *atomic.Int64) {
	wait := time.Until(time.Unix(0, noSpace.Load()).Add(tableRetry))
	if wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-g.failure.done:
	}
}

// GetDiskUsage tells the engine what there is for compactions, whose size it chooses by it.
func (g *guard) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	usage, err := g.FS.GetDiskUsage(path)
	usage.AvailBytes -= min(usage.AvailBytes, uint64(g.floors.compact))
	return usage, err
}

// OpenReadWrite opens a file to write to.
func (g *guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	g.pass()
	f, err := g.FS.OpenReadWrite(name, category, opts...)
	return g.file(f, err, category)
}

// OpenDir opens a directory to sync it.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, guard: g}, nil
}

// ReuseForWrite renames a file and opens it to write to.
func (g *guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	g.pass()
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	return g.file(f, err, category)
}

// Link makes a second name.
func (g *guard) Link(oldname, newname string) error {
	g.pass()
	return g.FS.Link(oldname, newname)
}

// Remove removes a file. The engine survives it if that fails.
func (g *guard) Remove(name string) error {
	g.pass()
	return g.FS.Remove(name)
}

// RemoveAll removes a tree.
func (g *guard) RemoveAll(name string) error {
	g.pass()
	return g.FS.RemoveAll(name)
}

// Rename renames a file.
func (g *guard) Rename(oldname, newname string) error {
	g.pass()
	err := g.FS.Rename(oldname, newname)
	g.must("rename file", err)
	return err
}

// MkdirAll makes a directory.
func (g *guard) MkdirAll(dir string, perm os.FileMode) error {
	g.pass()
	return g.FS.MkdirAll(dir, perm)
}

// short says whether too little space is left for compactions.
func (g *guard) short() bool {
	free, err := g.free()
	return err != nil || free < g.floors.compact
}

// guardedFile is a file of guard.
type guardedFile struct {
	vfs.File
	guard      *guard
	noSpace    *atomic.Int64 // of its kind, if it is a table: the engine survives an error, and writes another
	compaction bool
}

// Write writes.
func (f *guardedFile) Write(p []byte) (int, error) {
	f.guard.pass()
	if f.compaction && f.guard.short() {
		f.noSpace.Store(time.Now().UnixNano())
		return 0, fmt.Errorf("compaction: %w: %w", persistence.ErrFull, syscall.ENOSPC)
	}
	n, err := f.File.Write(p)
	if f.noSpace == nil {
		f.guard.must("write file", err)
	} else if errors.Is(err, syscall.ENOSPC) {
		f.noSpace.Store(time.Now().UnixNano())
	}
	return n, err
}

// WriteAt writes.
func (f *guardedFile) WriteAt(p []byte, off int64) (int, error) {
	f.guard.pass()
	n, err := f.File.WriteAt(p, off)
	f.guard.must("write file", err)
	return n, err
}

// Preallocate reserves space. The engine survives it if that fails.
func (f *guardedFile) Preallocate(offset, length int64) error {
	f.guard.pass()
	return f.File.Preallocate(offset, length)
}

// Sync syncs data and metadata. A sync that failed is not tried again, see guard.
func (f *guardedFile) Sync() error {
	f.guard.pass()
	err := f.File.Sync()
	f.guard.must("fsync", err)
	return err
}

// SyncData syncs data.
func (f *guardedFile) SyncData() error {
	f.guard.pass()
	err := f.File.SyncData()
	f.guard.must("fdatasync", err)
	return err
}

// SyncTo begins to sync a part of the data.
func (f *guardedFile) SyncTo(length int64) (fullSync bool, err error) {
	f.guard.pass()
	fullSync, err = f.File.SyncTo(length)
	f.guard.must("sync file range", err)
	return fullSync, err
}
