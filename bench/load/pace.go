package load

import "time"

const (
	// maxQueued is what may wait for a sender's socket: past that its messages wait unsent, and their time runs.
	maxQueued = 1 << 20
	// finestPace bounds how often the worker wakes up to send.
	finestPace = 100 * time.Microsecond
	// burst is what a sender without a rate hands to its socket at a time.
	burst = 32
)

// pacer sends at a fixed rate, one flow after the other, each message stamped with the time at which it was due.
type pacer struct {
	w     *worker
	flows []*flow
	rate  float64 // per second
	start int64
	n     uint64 // messages sent
}

// begin has the worker wake up in time.
func (p *pacer) begin() error {
	p.start = p.w.clock()
	return p.w.net.pace(max(finestPace, time.Duration(float64(time.Second)/p.rate)))
}

// turn sends what is due.
func (p *pacer) turn() {
	for {
		due := p.start + int64(float64(p.n)/p.rate*1e9)
		if due > p.w.now || due >= p.w.window.to {
			return
		}
		f := p.flows[p.n%uint64(len(p.flows))]
		if c := f.from.conn; c != nil && c.queued() > maxQueued {
			return
		}
		p.w.send(f, due)
		p.n++
	}
}

// flood sends as fast as the server reads: a sender whose socket has taken all gets the next burst.
type flood struct {
	w     *worker
	flows []*flow
}

// turn sends to whom is ready. It keeps the worker from waiting while there is one.
func (p *flood) turn() {
	if p.w.now >= p.w.window.to {
		return
	}
	for _, f := range p.flows {
		if c := f.from.conn; c == nil || c.busy || c.queued() > 0 {
			continue
		}
		p.w.hurry = true
		for range burst {
			p.w.send(f, p.w.now)
		}
	}
}
