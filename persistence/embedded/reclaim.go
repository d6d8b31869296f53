package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
)

// reclaimer gives the space of what was deleted back to the disk. The engine does that by and by, as new data comes in
// and tables are merged; after a big drain nothing may come in, least of all if the disk is full.
type reclaimer struct {
	deleted atomic.Int64  // bytes deleted since tables were merged last, about
	wake    chan struct{} // holds one
	stop    context.CancelFunc
	done    chan struct{}
}

const (
	reclaimAt   = 64 << 20 // bytes to be gained, below which a merge is not worth it,
	reclaimFull = 1 << 20  // unless the disk is full

	reclaimPause   = 2 * time.Second
	reclaimTimeout = 10 * time.Second
	reclaimStep    = 8 << 20 // bytes of tables

	// recordOverhead is about what an envelope takes beside its payload.
	recordOverhead = mailLen + mailHeader
)

func (s *Store) startReclaimer() {
	ctx, stop := context.WithCancel(context.Background())
	s.reclaim.wake = make(chan struct{}, 1)
	s.reclaim.stop, s.reclaim.done = stop, make(chan struct{})
	go func() {
		defer close(s.reclaim.done)
		s.reclaimSpace(ctx)
	}()
}

// count counts what plans take away.
func (r *reclaimer) count(plans []plan) {
	n := int64(0)
	for i := range plans {
		now, next := &plans[i].box.state, &plans[i].next
		if next.count < now.count {
			n += int64(now.bytes-min(next.bytes, now.bytes)) + int64(recordOverhead)*int64(now.count-next.count)
		}
	}
	if n > 0 && r.deleted.Add(n) >= reclaimAt {
		r.nudge()
	}
}

// nudge asks for a look at whether there is something to gain.
func (r *reclaimer) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// reclaimSpace merges tables when that gains much, until ctx ends.
func (s *Store) reclaimSpace(ctx context.Context) {
	for {
		select {
		case <-s.reclaim.wake:
		case <-ctx.Done():
			return
		}
		if s.worthMerging() {
			deleted := s.reclaim.deleted.Swap(0)
			if err := s.merge(ctx); err != nil && ctx.Err() == nil {
				s.reclaim.deleted.Add(deleted)
				s.reclaim.nudge()
			}
		}
		select {
		case <-time.After(reclaimPause): // tables are not merged again and again while the disk stays full
		case <-ctx.Done():
			return
		}
	}
}

// worthMerging says whether half of what is stored has been deleted, or anything at all while the disk is full.
func (s *Store) worthMerging() bool {
	if s.failure.failed() != nil {
		return false
	}
	deleted := s.reclaim.deleted.Load()
	switch free, err := s.opts.free(); {
	case err != nil, free < s.floors.compact: // it would be refused, and the flush before it may take the last bytes
		return false
	case free < s.floors.append:
		return deleted >= reclaimFull
	}
	return deleted >= reclaimAt && deleted >= s.stored()/2
}

// stored returns how many bytes are stored. Files that the engine will delete, or write again from the beginning, are not
// among them: as it takes its time, there may be as many once more.
func (s *Store) stored() int64 {
	m := s.db.Metrics()
	return m.Total().TablesSize + int64(m.WAL.Size)
}

// merge writes the tombstones to tables and merges those with what they delete, in steps over the range of keys: a step
// writes what lives before it removes what is dead, so each must fit into what is free.
//
// On a disk that is nearly full the engine may go on trying to merge other tables in vain and keep a step waiting, for
// want of the very tombstones that have come to the memtable meanwhile. So a step gives up after a while. The others may
// gain the space that it lacks, and all of them are tried again.
func (s *Store) merge(ctx context.Context) error {
	steps := uint64(min(max(s.stored()/reclaimStep, 1), 256))
	bounds := [][]byte{{0}, {mailKind}}
	for i := uint64(1); i < steps; i++ {
		bounds = append(bounds, binary.BigEndian.AppendUint16([]byte{mailKind}, uint16(i<<16/steps)))
	}
	bounds = append(bounds, []byte{mailKind + 1}, []byte{0xff})
	var failed error
	for i := range bounds[1:] {
		if err := s.mergeRange(ctx, bounds[i], bounds[i+1]); err != nil {
			failed = err
		}
		if ctx.Err() != nil || s.failure.failed() != nil {
			break
		}
	}
	return failed
}

// mergeRange merges the tables of a range of keys. The engine panics in places once it has failed.
func (s *Store) mergeRange(ctx context.Context, from, to []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, reclaimTimeout)
	defer cancel()
	return s.db.Compact(ctx, from, to, false)
}
