package actors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Shutdown ends the broker: new conns are refused, those there are closed in order, everything unconfirmed is stored,
// and all actors stop; the host's actor system, if it was given one, goes on. It waits for that until ctx ends. The error
// says how many accepted envelopes were lost because the store would not take them. Further calls wait for the first
// one's result, as long as their own ctx lets them.
func (b *Broker) Shutdown(ctx context.Context) error {
	if b.ending.CompareAndSwap(false, true) {
		b.result = b.shutdown(ctx)
		close(b.over)
		return b.result
	}
	select {
	case <-b.over:
		return b.result
	default:
	}
	select {
	case <-b.over:
		return b.result
	case <-ctx.Done():
		return fmt.Errorf("the broker is still shutting down: %w", ctx.Err())
	}
}

func (b *Broker) shutdown(ctx context.Context) error {
	for _, s := range b.shards {
		s.Post(jobFunc(s.leave))
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !b.settled(ctx) {
		select {
		case <-ctx.Done():
			return b.end(ctx)
		case <-tick.C:
		}
	}
	return b.end(ctx)
}

// settled asks the shards whether all conns are gone and nothing is in memory or under way.
func (b *Broker) settled(ctx context.Context) bool {
	for _, s := range b.shards {
		answer := make(chan bool, 1)
		if !s.Post(jobFunc(func() { answer <- s.idle() })) {
			continue
		}
		select {
		case idle := <-answer:
			if !idle {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// leave closes all conns in order, and has none attached any more.
func (s *Shard) leave() {
	s.leaving = true
	for u := range s.users.all() {
		u.push(s.letter(letter{kind: letterLeave}))
	}
}

func (s *Shard) idle() bool {
	for u := range s.users.all() {
		if u.state == loading || u.link != nil || !u.delivery.idle() {
			return false
		}
	}
	return true
}

// endPatience is how long the store calls under way at the end may still take.
const endPatience = 2 * storeTimeout

// end stops everything, whatever is left.
func (b *Broker) end(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), time.Now().Add(endPatience))
	defer cancel()
	b.closed.Store(true)
	close(b.quit)
	lost, stuck := b.endShards(ctx)
	for _, p := range b.persisters {
		p.queue.drain(ctx, false)
		b.system.Root.Stop(p.pid)
		p.queue.drain(ctx, true)
	}
	b.tasks.Wait()
	b.herald.close(ctx)
	if b.config.system == nil {
		b.system.Shutdown()
	}
	for _, p := range b.persisters {
		lost += int(p.lost.Load()) + p.queue.unserved()
	}
	b.lost.Add(uint64(lost))
	switch {
	case stuck > 0:
		return fmt.Errorf("%d shards did not stop, for a conn or a job blocks them", stuck)
	case lost > 0:
		return fmt.Errorf("%d accepted envelopes were lost: the store did not take them", lost)
	}
	return nil
}

// endShards ends the shards, and returns how many envelopes were in memory alone, and how many shards do not end.
func (b *Broker) endShards(ctx context.Context) (lost, stuck int) {
	for _, s := range b.shards {
		s.Post(jobFunc(func() { s.stopping.Store(true) }))
		select {
		case <-s.done:
			lost += s.lost
			s.poller.Close()
		case <-ctx.Done():
			stuck++
		}
	}
	return lost, stuck
}

// end follows the last turn: it stops the shard's actors, and notes how many envelopes were in memory alone.
func (s *Shard) end() {
	for u := range s.users.all() {
		s.lost += u.delivery.unstored()
		s.endUser(u)
	}
	for _, d := range s.desks {
		d.end(unknown(errClosed))
	}
	s.handOver()
	s.mu.Lock()
	s.closed = true
	late := append(s.jobs, s.inbox...)
	s.jobs, s.inbox = nil, nil
	s.mu.Unlock()
	for _, job := range late {
		if d, waited := job.(dropper); waited {
			d.drop()
		}
	}
}

// endUser stops an actor, which can have no successor any more.
func (s *Shard) endUser(u *user) {
	defer s.survive("user actor at the end")
	u.abandon()
	u.stop()
}

// dropper is a job that somebody waits for: who posted it is told when it will not run.
type dropper interface{ drop() }

// newSystem makes an actor system of our own. Its logger is ours, from warnings up: the library's own prints dead
// letters, payloads included, to the standard error.
func newSystem(log *slog.Logger) *actor.ActorSystem {
	// The dead letters' throttle waits for its interval in a goroutine that a shutdown does not end.
	return actor.NewActorSystem(actor.WithDeadLetterThrottleInterval(time.Millisecond), actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(quietHandler{log.Handler()})
	}))
}

// quietHandler passes errors of the library on, without their attributes: those hold messages.
type quietHandler struct{ next slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.next.Enabled(ctx, level)
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.next.Handle(ctx, slog.NewRecord(r.Time, r.Level, "actor system: "+r.Message, r.PC))
}

func (h quietHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h quietHandler) WithGroup(string) slog.Handler      { return h }
