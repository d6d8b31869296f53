package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// parker is the Poller of a shard that has nothing to wait for but its queue and its timers.
type parker struct {
	wake  chan struct{}
	timer *time.Timer
}

func newParker() *parker {
	return &parker{wake: make(chan struct{}, 1)}
}

func (p *parker) Wait(timeout time.Duration) {
	if timeout <= 0 {
		select {
		case <-p.wake:
		default:
		}
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(timeout)
	} else {
		p.timer.Reset(timeout)
	}
	select {
	case <-p.wake:
		p.timer.Stop()
	case <-p.timer.C:
	}
}

func (p *parker) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *parker) Close() error { return nil }

// clock is the machine's.
type clock struct{ start time.Time }

// NewClock returns the machine's clock.
func NewClock() Clock { return clock{time.Now()} }

func (c clock) Now() time.Time      { return time.Now() }
func (c clock) Mono() time.Duration { return time.Since(c.start) + time.Second } // never 0, which means never

// guardian is the supervisor of all actors of a broker: whoever panics is stopped. There is no restart: a new instance
// would have neither key nor conn. All values are equal, so that an actor system, which keeps one process for each
// guardian it has met, keeps one for all brokers that it ever sees.
type guardian struct{}

// HandleFailure implements actor.SupervisorStrategy.
func (guardian) HandleFailure(_ *actor.ActorSystem, supervisor actor.Supervisor, child *actor.PID,
	_ *actor.RestartStatistics, _, _ any) {
	supervisor.StopChildren(child)
}
