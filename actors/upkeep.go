package actors

import (
	"context"
	"time"
)

// How often the store is asked, while it is down, whether it is back, and how often expired mail is deleted.
const (
	probeInterval  = 250 * time.Millisecond
	expireInterval = time.Minute
	expireLimit    = 10_000
)

// storeFailed notes that a store call failed, and begins to ask whether the store is back.
func (b *Broker) storeFailed(err error) {
	b.storeErrors.Add(1)
	if b.storeDown.Swap(true) || b.closed.Load() {
		return
	}
	b.log.Warn("the store does not answer as it should; mail for users who are away is refused until it does", "error", err)
	if b.probing.CompareAndSwap(false, true) {
		b.tasks.Go(b.probe)
	}
}

func (b *Broker) probe() {
	defer b.probing.Store(false)
	for {
		select {
		case <-b.quit:
			return
		case <-time.After(probeInterval):
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		err := b.safely(func() error { return b.config.store.Ping(ctx) })
		cancel()
		if err == nil {
			b.storeDown.Store(false)
			b.log.Info("the store answers again")
			return
		}
	}
}

// expire deletes expired mail now and then, and follows the wall clock.
func (b *Broker) expire() {
	for {
		select {
		case <-b.quit:
			return
		case <-time.After(expireInterval):
		}
		b.setWall()
		for n := expireLimit; n == expireLimit; {
			ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
			begin := b.config.clock.Mono()
			n = 0
			err := b.safely(func() (err error) {
				n, err = b.config.store.Expire(ctx, b.wall(begin), expireLimit)
				return err
			})
			b.calls.observe(opExpire, max(n, 0), b.config.clock.Mono()-begin)
			cancel()
			if err != nil {
				b.log.Warn("expired mail not deleted, will be tried again", "error", err)
			}
			b.expired.Add(uint64(max(n, 0)))
			if n > 0 {
				b.emit(Event{Kind: EventDropped, Count: n})
			}
			if b.closed.Load() {
				return
			}
		}
	}
}
