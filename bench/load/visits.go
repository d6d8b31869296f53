package load

import (
	"context"
	"errors"
	"time"
)

// idle is the mode in which users connect and stay, doing nothing but answer Pings.
func (r *run) idle(ctx context.Context) error {
	r.populate()
	if err := r.connectAll(ctx); err != nil {
		return err
	}
	until := r.now() + int64(r.cfg.Settle)
	err := r.each(func(w *worker) error {
		for w.clock() < until {
			if err := errors.Join(w.turn(min(idleWait, time.Duration(until-w.now))), ctx.Err()); err != nil {
				return err
			}
		}
		return nil
	})
	r.settled()
	return errors.Join(err, r.each(func(w *worker) error { return w.leaveAll(ctx) }))
}

// connect is the mode in which users log in and connect as fast as they can.
func (r *run) connect(ctx context.Context) error {
	r.populate()
	err := r.connectAll(ctx)
	r.settled()
	return errors.Join(err, r.each(func(w *worker) error { return w.leaveAll(ctx) }))
}

// populate makes all users, who have nothing to say.
func (r *run) populate() {
	for _, w := range r.workers {
		for range w.share(r.cfg.Users, 1) {
			w.newUser()
		}
	}
}

// visitor is the behaviour of users who connect, send one message, and leave, many times.
type visitor struct {
	passive
	w      *worker
	rounds []int // by user: how many are left
	done   uint64
}

func (m *visitor) ready(c *Conn) {
	if c.User.out != nil {
		m.w.send(c.User.out, m.w.now)
		m.w.leave(c)
	}
}

func (m *visitor) closed(u *User) {
	if u.out == nil {
		return
	}
	m.done++
	if m.rounds[u.Index]--; m.rounds[u.Index] > 0 {
		m.w.queue = append(m.w.queue, u)
	}
}

// churn is the mode in which every other user stays and receives, and the others come and go. That their last word
// before the Close counts is part of what is checked.
func (r *run) churn(ctx context.Context) error {
	for _, w := range r.workers {
		for range w.share(r.cfg.Users, 2) / 2 {
			stays, visits := w.newUser(), w.newUser()
			visits.out = w.newFlow(visits, stays)
		}
	}
	if err := r.each(func(w *worker) error { return w.connect(ctx, w.everyOther(0), false) }); err != nil {
		return err
	}
	for _, w := range r.workers {
		w.connects = Histogram{}
		w.window.to = 1 << 62
	}
	r.connected()
	begin := r.meter()
	err := r.each(func(w *worker) error { return w.visit(ctx) })
	end := r.meter()
	r.step("visits", begin, end, r.total(func(w *worker) uint64 { return w.connects.Count() }),
		r.merged(func(w *worker) *Histogram { return &w.connects }))
	r.step("messages", begin, end, end.received-begin.received, r.merged(func(w *worker) *Histogram { return &w.latency }))
	r.settled()
	return errors.Join(err, r.each(func(w *worker) error { return w.leaveAll(ctx) }))
}

// everyOther returns the users with even or odd numbers.
func (w *worker) everyOther(first int) (users []*User) {
	for i := first; i < len(w.users); i += 2 {
		users = append(users, w.users[i])
	}
	return users
}

// visit has the visitors come and go until all rounds are done and all messages have come.
func (w *worker) visit(ctx context.Context) error {
	m := &visitor{w: w, rounds: make([]int, len(w.users))}
	for i := range m.rounds {
		m.rounds[i] = w.run.cfg.Messages
	}
	w.mode, w.queue = m, w.everyOther(1)
	total := uint64(len(w.queue) * w.run.cfg.Messages)
	err := w.until(ctx, w.run.cfg.Patience, func() uint64 { return m.done + w.received + w.rejected },
		func() bool { return m.done == total && w.settled() })
	if errors.Is(err, errPatience) {
		if m.done < total {
			w.faults.add("visits not ended", total-m.done, "%d of %d", total-m.done, total)
		}
		err = nil
	}
	w.balance(false) // who leaves at once does not wait for an ack
	w.mode = passive{}
	return err
}
