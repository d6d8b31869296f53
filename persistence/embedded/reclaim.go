package embedded

import (
	"context"
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
	reclaimAt    = 64 << 20 // bytes to be gained, below which a merge is not worth it,
	reclaimFull  = 1 << 20  // unless the disk is full
	reclaimPause = 5 * time.Second

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
			s.reclaim.deleted.Store(0)
			if err := s.merge(ctx); err != nil && ctx.Err() == nil {
				s.opts.Logger.Warn("store could not reclaim space", "error", err)
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
	return deleted >= reclaimAt && deleted >= int64(s.db.Metrics().DiskSpaceUsage())/2
}

// merge writes the tombstones to tables and merges those with what they delete. The engine panics in places once it has
// failed.
func (s *Store) merge(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return s.db.Compact(ctx, []byte{0}, []byte{0xff}, false)
}
