package load

import (
	"context"
	"errors"
	"math"
	"time"
)

// sender is how messages begin: paced, flooded, or by the messages that come.
type sender interface{ turn() }

// chatter is the behaviour of users who write to each other all the time.
type chatter struct {
	passive
	w      *worker
	answer bool // each message is answered with one
	sender sender
}

func (m *chatter) message(c *Conn, _ *flow, _ int64) {
	if w := m.w; m.answer && w.now < w.window.to && w.sent < w.total {
		w.send(c.User.out, w.now)
	}
}

func (m *chatter) turn() {
	if m.sender != nil {
		m.sender.turn()
	}
}

// pairs is the mode in which users in pairs answer each other.
func (r *run) pairs(ctx context.Context) error {
	return r.converse(ctx, func(w *worker) {
		for range w.share(r.cfg.Users, 2) / 2 {
			a, b := w.newUser(), w.newUser()
			a.out, b.out = w.newFlow(a, b), w.newFlow(b, a)
		}
	}, func(w *worker) error {
		if r.cfg.Rate > 0 {
			return w.pace(r.cfg.Rate)
		}
		w.mode = &chatter{w: w, answer: true}
		for i := 0; i < len(w.flows); i += 2 {
			for range min(r.cfg.InFlight, int(w.total-w.sent)) {
				w.send(w.flows[i], w.clock())
			}
		}
		return nil
	})
}

// oneway is the mode in which some users write to others, who do not answer.
func (r *run) oneway(ctx context.Context) error {
	return r.converse(ctx, func(w *worker) {
		receivers := make([]*User, w.share(r.cfg.receivers(), 1))
		for i := range receivers {
			receivers[i] = w.newUser()
		}
		for i := range w.share(r.cfg.Users-r.cfg.receivers(), 1) {
			u := w.newUser()
			u.out = w.newFlow(u, receivers[i%len(receivers)])
		}
	}, func(w *worker) error {
		if r.cfg.Rate > 0 {
			return w.pace(r.cfg.Rate)
		}
		w.mode = &chatter{w: w, sender: &flood{w, w.flows}}
		return nil
	})
}

// pace begins to send at the worker's share of a rate.
func (w *worker) pace(rate float64) error {
	p := &pacer{w: w, flows: w.flows, rate: rate * float64(len(w.flows)) / float64(w.run.flows())}
	w.mode = &chatter{w: w, sender: p}
	return p.begin()
}

func (r *run) flows() (n int) {
	for _, w := range r.workers {
		n += len(w.flows)
	}
	return n
}

// converse connects the users that populate makes, lets begin start them, and measures what comes within the window.
func (r *run) converse(ctx context.Context, populate func(*worker), begin func(*worker) error) error {
	for _, w := range r.workers {
		populate(w)
	}
	if err := r.connectAll(ctx); err != nil {
		return err
	}
	from := r.now() + int64(r.cfg.Warmup)
	to := from + int64(r.cfg.Duration)
	first := r.workers[0]
	if r.cfg.Total > 0 {
		from, to = r.now(), math.MaxInt64
		first.meters = append(first.meters, r.meter())
	} else {
		first.moments = []int64{from, to}
	}
	err := r.each(func(w *worker) error {
		w.window, w.total = window{from: from, to: to}, math.MaxInt64
		if r.cfg.Total > 0 {
			w.total = uint64(w.share(r.cfg.Total, 1))
		}
		if err := begin(w); err != nil {
			return err
		}
		return w.settle(ctx)
	})
	if err != nil {
		return err
	}
	if r.cfg.Total > 0 {
		first.meters = append(first.meters, r.meter())
	}
	begun, ended := first.meters[0], first.meters[1]
	r.step("messages", begun, ended, ended.received-begun.received,
		r.merged(func(w *worker) *Histogram { return &w.latency }))
	r.settled()
	return r.each(func(w *worker) error { return w.leaveAll(ctx) })
}

// settle turns until the window is over, or all is sent, and nothing is under way any more.
func (w *worker) settle(ctx context.Context) error {
	for (w.now < w.window.to || len(w.moments) > 0) && w.sent < w.total {
		if err := errors.Join(w.turn(min(idleWait, time.Duration(w.window.to-w.now))), ctx.Err()); err != nil {
			return err
		}
	}
	if err := w.net.pace(0); err != nil {
		return err
	}
	acks := w.wantsAcks()
	err := w.until(ctx, w.run.cfg.Patience, func() uint64 { return w.received + w.rejected + w.acked },
		func() bool { return w.settled() && (!acks || w.safe()) })
	if err == nil && w.unsure > 0 { // some of what was refused may still come: until nothing does
		err = w.until(ctx, time.Second, func() uint64 { return w.received }, func() bool { return false })
	}
	w.balance(acks)
	if errors.Is(err, errPatience) {
		return nil // the ledger says what is missing
	}
	return err
}

// wantsAcks reports whether senders are told that their messages are safe.
func (w *worker) wantsAcks() bool {
	d, ok := w.dialect.(interface{ Acks() bool })
	return ok && d.Acks()
}

// connectAll connects the users of all workers.
func (r *run) connectAll(ctx context.Context) error {
	begin := r.meter()
	err := r.each(func(w *worker) error { return w.connect(ctx, w.users, false) })
	r.step("connect", begin, r.meter(), r.total(func(w *worker) uint64 { return uint64(w.open) }),
		r.merged(func(w *worker) *Histogram { return &w.connects }))
	r.connected()
	return err
}

// connected notes the memory when all users are there.
func (r *run) connected() {
	if m := r.result.Memory; m != nil {
		m.Connected = r.rss()
	}
}

// settled notes the memory at the end.
func (r *run) settled() {
	if m := r.result.Memory; m != nil {
		m.Settled = r.rss()
	}
}
