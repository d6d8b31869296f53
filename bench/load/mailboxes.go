package load

import (
	"context"
	"errors"
	"time"
)

// checkedAgain is how many recipients come a second time to see that nothing is left.
const checkedAgain = 100

// filler is the behaviour of senders who write to users that are away, and keep a number of messages unacknowledged.
type filler struct {
	passive
	w       *worker
	mail    map[*User]*round
	sentAt  map[MessageID]int64 // of what has no ack
	latency Histogram           // from sending to the ack
}

// round is to whom a sender writes, in turn.
type round struct {
	flows []*flow
	begun int
}

// more sends the next message of u, if there is one.
func (m *filler) more(u *User) {
	r := m.mail[u]
	if r.begun == len(r.flows)*m.w.run.cfg.Messages {
		return
	}
	f := r.flows[r.begun%len(r.flows)]
	r.begun++
	m.w.send(f, m.w.now)
	m.sentAt[MessageID{f.index, f.sent}] = m.w.now
}

func (m *filler) acked(f *flow, seq uint64) {
	id := MessageID{f.index, seq}
	if at, ok := m.sentAt[id]; ok {
		m.latency.Add(time.Duration(m.w.now - at))
		delete(m.sentAt, id)
	}
	m.more(f.from)
}

func (m *filler) refused(f *flow) { m.more(f.from) }

// drainer is the behaviour of those who come for their mail.
type drainer struct {
	passive
	w       *worker
	awaited map[*User]*flow
	told    int // were told that they have all
}

func (m *drainer) drained(c *Conn) {
	f := m.awaited[c.User]
	if f == nil {
		return
	}
	m.told++
	if !f.settled() {
		m.w.faults.note("drained too early", "user %d has %d of %d messages, %d refused", c.User.Index, f.arrived(), f.sent, f.refused)
	}
}

// offline is the mode in which senders fill the mailboxes of users that are away, who then come and drain them.
func (r *run) offline(ctx context.Context) error {
	for _, w := range r.workers {
		senders := make([]*User, w.share(r.cfg.Senders, 1))
		for i := range senders {
			senders[i] = w.newUser()
		}
		for i := range w.share(r.cfg.Users-r.cfg.Senders, 1) {
			w.newFlow(senders[i%len(senders)], w.newUser())
		}
		w.dialect = NewEnigma(V1)
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	fillers := make([]*filler, len(r.workers))
	begin := r.meter()
	err := r.each(func(w *worker) (err error) {
		fillers[w.index], err = w.fill(ctx)
		return err
	})
	latency := new(Histogram)
	for _, m := range fillers {
		latency.Merge(&m.latency)
	}
	r.step("acks", begin, r.meter(), r.total(func(w *worker) uint64 { return w.acked }), latency)
	if err != nil {
		return err
	}
	begin = r.meter()
	err = r.each(func(w *worker) error { return w.drain(ctx) })
	r.step("drain", begin, r.meter(), r.total(func(w *worker) uint64 { return w.received }), nil)
	r.settled()
	if err != nil {
		return err
	}
	if err := r.each(func(w *worker) error { return w.leaveAll(ctx) }); err != nil || r.cfg.Profile != V1 {
		return err
	}
	return r.each(func(w *worker) error { return w.checkEmpty(ctx) })
}

// prepare logs the recipients in and connects the senders.
func (r *run) prepare(ctx context.Context) error {
	err := r.each(func(w *worker) error {
		senders := w.share(r.cfg.Senders, 1)
		return errors.Join(w.connect(ctx, w.users[senders:], true), w.connect(ctx, w.users[:senders], false))
	})
	r.connected()
	return err
}

// fill sends all messages and waits for all acks.
func (w *worker) fill(ctx context.Context) (*filler, error) {
	m := &filler{w: w, mail: make(map[*User]*round), sentAt: make(map[MessageID]int64)}
	w.mode = m
	for _, f := range w.flows {
		if m.mail[f.from] == nil {
			m.mail[f.from] = &round{}
		}
		m.mail[f.from].flows = append(m.mail[f.from].flows, f)
	}
	w.clock()
	for u := range m.mail {
		for range w.run.cfg.InFlight {
			m.more(u)
		}
	}
	total := uint64(len(w.flows) * w.run.cfg.Messages)
	err := w.until(ctx, w.run.cfg.Patience, func() uint64 { return w.acked + w.rejected },
		func() bool { return w.sent == total && w.safe() })
	if errors.Is(err, errPatience) {
		err = nil // the ledger says what is missing
	}
	return m, err
}

// drain connects the recipients and takes all their mail.
func (w *worker) drain(ctx context.Context) error {
	m := &drainer{w: w, awaited: make(map[*User]*flow)}
	for _, f := range w.flows {
		m.awaited[f.to] = f
	}
	w.mode, w.dialect = m, NewEnigma(w.run.cfg.Profile)
	w.queue, w.loginOnly = w.recipients(len(w.flows)), false
	err := w.until(ctx, w.run.cfg.Patience, func() uint64 { return w.received + uint64(m.told) },
		func() bool {
			return w.settled() && w.underway == 0 && len(w.queue) == 0 && (m.told == len(w.flows) || w.run.cfg.Profile != V1)
		})
	if errors.Is(err, errPatience) {
		if missing := len(w.flows) - m.told; w.run.cfg.Profile == V1 && missing > 0 {
			w.faults.add("not drained", uint64(missing), "%d of %d mailboxes", missing, len(w.flows))
		}
		err = nil
	}
	w.balance(true)
	return err
}

// checkEmpty has some recipients come once more. What they have confirmed must not come again, and would be a fault.
func (w *worker) checkEmpty(ctx context.Context) error {
	m := &drainer{w: w, awaited: make(map[*User]*flow)}
	again := w.recipients(checkedAgain)
	for _, f := range w.flows[:len(again)] {
		m.awaited[f.to] = f
	}
	w.mode, w.queue = m, again
	err := w.until(ctx, w.run.cfg.Patience, func() uint64 { return uint64(m.told) },
		func() bool { return m.told == len(again) })
	if errors.Is(err, errPatience) {
		w.faults.note("not drained", "%d of %d who came again were not told that their mailboxes are empty", len(again)-m.told, len(again))
		err = nil
	}
	return errors.Join(err, w.leaveAll(ctx))
}

// recipients returns the first n of them.
func (w *worker) recipients(n int) (users []*User) {
	for _, f := range w.flows[:min(n, len(w.flows))] {
		users = append(users, f.to)
	}
	return users
}
