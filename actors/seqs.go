package actors

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// The seq ceiling is written so far ahead, and renewed when half of that is left.
const seqAhead = 10 * time.Minute

// seqs is the source of every user's first seq: microseconds since the epoch on a monotonic clock, above the ceiling
// that the server before this one, on the same store, had written. No seq at or above the ceiling is given out before
// it is raised, durably. So no seq is given out twice, even when the clock was set back in between.
type seqs struct {
	broker  *Broker
	base    uint64        // at the start,
	started time.Duration // this moment of the monotonic clock
	ceiling atomic.Uint64
	wake    chan struct{}
}

func (q *seqs) open(b *Broker) error {
	q.broker, q.wake = b, make(chan struct{}, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 5*storeTimeout)
	defer cancel()
	before, err := q.call(ctx, 0)
	if err != nil {
		return fmt.Errorf("read the seq ceiling: %w", err)
	}
	q.started = b.config.clock.Mono()
	q.base = max(before, uint64(b.config.clock.Now().UnixMicro()))
	return q.raise(ctx, q.base+uint64(seqAhead.Microseconds()))
}

func (q *seqs) raise(ctx context.Context, to uint64) error {
	if _, err := q.call(ctx, to); err != nil {
		return fmt.Errorf("raise the seq ceiling: %w", err)
	}
	q.ceiling.Store(to)
	return nil
}

// call calls the store's Ceiling.
func (q *seqs) call(ctx context.Context, raise uint64) (before uint64, err error) {
	err = q.broker.safely(func() (err error) {
		before, err = q.broker.config.store.Ceiling(ctx, raise)
		return err
	})
	return before, err
}

// now returns the seq of this moment. Shards call it when they spawn an actor.
func (q *seqs) now() uint64 {
	return q.base + uint64((q.broker.config.clock.Mono() - q.started).Microseconds())
}

// kick has the ceiling raised at once: somebody has used it up.
func (q *seqs) kick() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// keep raises the ceiling in time, until the broker ends.
func (q *seqs) keep(b *Broker) {
	const ahead = uint64(seqAhead / time.Microsecond)
	for {
		usedUp := false
		select {
		case <-b.quit:
			return
		case <-q.wake:
			usedUp = true
		case <-time.After(seqAhead / 20):
		}
		top := q.ceiling.Load()
		if !usedUp && q.now()+ahead/2 < top {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		if err := q.raise(ctx, max(q.now(), top)+ahead); err != nil {
			b.log.Warn("seq ceiling not raised, will be tried again", "error", err)
		}
		cancel()
	}
}
