package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// run is one run of one mode.
type run struct {
	cfg     Config
	began   time.Time
	workers []*worker
	result  *Result
}

// Run makes the load that cfg describes. The result is there even with an error, as far as it got; the error says that
// the run could not be done, not that the server did wrong, which is for [Result.Err].
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	target, host, err := parseServer(cfg.Server)
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, began: time.Now()}
	defer r.close()
	for i := range cfg.Workers {
		if err := r.hire(i, target, host); err != nil {
			return nil, err
		}
	}
	r.result = newResult(&cfg, r.workers[0].dialect.Name())
	if cfg.PID != 0 {
		before, err := usageOf(cfg.PID)
		if err != nil {
			return nil, fmt.Errorf("pid %d: %w", cfg.PID, err)
		}
		r.result.Memory = &Memory{Before: before.rss}
	}
	stop := r.watch()
	err = r.perform(ctx)
	stop()
	r.judge()
	return r.result, err
}

// perform does what the mode says.
func (r *run) perform(ctx context.Context) error {
	switch r.cfg.Mode {
	case Pairs:
		return r.pairs(ctx)
	case Oneway:
		return r.oneway(ctx)
	case Idle:
		return r.idle(ctx)
	case Connect:
		return r.connect(ctx)
	case Churn:
		return r.churn(ctx)
	}
	return r.offline(ctx)
}

// resolve finds the address of the server, once.
func resolve(u *url.URL) (netip.AddrPort, error) {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return netip.AddrPort{}, err
	}
	found := addr.AddrPort()
	return netip.AddrPortFrom(found.Addr().Unmap(), found.Port()), nil
}

// hire makes a worker.
func (r *run) hire(index int, target netip.AddrPort, host string) error {
	cfg := &r.cfg
	w := &worker{run: r, index: index, target: target, host: host, keys: rand.Uint32(), mode: passive{},
		ledger: newLedger(rand.Uint32(), cfg.Size), dialer: dialer{bound: max(1, cfg.Handshakes/cfg.Workers)}}
	if cfg.Dialect != nil {
		w.dialect = cfg.Dialect(index)
	} else {
		w.dialect = NewEnigma(cfg.Profile)
	}
	var err error
	w.net, err = newNetwork()
	if cfg.goroutines {
		w.net, err = newPipes(), nil
	}
	if err != nil {
		return err
	}
	r.workers = append(r.workers, w)
	return nil
}

// newUser makes one more user. Keys are as long as an X25519 key in base64, and nobody else's, ever.
func (w *worker) newUser() *User {
	key := fmt.Sprintf("load-%08x-%08x-", w.ledger.run, len(w.users))
	key += "abcdefghijklmnopqrstuvwxyz0123456789"[:44-len(key)]
	u := &User{Index: len(w.users), Key: key, ID: protocol.NewUserID([]byte(key)).String()}
	w.users = append(w.users, u)
	return u
}

// share is a worker's part of n, which it gets in whole groups.
func (w *worker) share(n, group int) int {
	groups, all := n/group, len(w.run.workers)
	part := groups / all
	if w.index < groups%all {
		part++
	}
	return part * group
}

// each has all workers do f, at the same time, and waits for them.
func (r *run) each(f func(w *worker) error) error {
	errs := make([]error, len(r.workers))
	var all sync.WaitGroup
	for i, w := range r.workers {
		all.Go(func() { errs[i] = f(w) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (r *run) close() {
	for _, w := range r.workers {
		for _, u := range w.users {
			if u.conn != nil {
				w.drop(u.conn)
			}
		}
		w.net.close()
	}
}

func (r *run) now() int64 { return int64(time.Since(r.began)) }

// live is what others may see of a worker while it runs.
type live struct{ open, received, acked atomic.Int64 }

func (l *live) publish(w *worker) {
	l.open.Store(int64(w.open))
	l.received.Store(int64(w.received))
	l.acked.Store(int64(w.acked))
}

// sample takes a moment's view of the run.
func (r *run) sample() Sample {
	s := Sample{Seconds: time.Since(r.began).Seconds()}
	for _, w := range r.workers {
		s.Open += w.live.open.Load()
		s.Received += w.live.received.Load()
		s.Acked += w.live.acked.Load()
	}
	if r.cfg.PID != 0 {
		if u, err := usageOf(r.cfg.PID); err == nil {
			s.RSS, s.CPU = u.rss, u.cpu.Seconds()
		}
	}
	return s
}

const sampleEvery = 250 * time.Millisecond

// watch samples the run until it is told to stop.
func (r *run) watch() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s := r.sample()
				r.report(s)
				r.result.Samples = append(r.result.Samples, s)
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// report tells how far the run is.
func (r *run) report(s Sample) {
	if r.cfg.Logf == nil {
		return
	}
	var last Sample
	if n := len(r.result.Samples); n > 0 {
		last = r.result.Samples[n-1]
	}
	text := fmt.Sprintf("%s %5.1f s  %d connected  %.0f messages/s", r.cfg.Mode, s.Seconds, s.Open,
		float64(s.Received-last.Received)/(s.Seconds-last.Seconds))
	if s.Acked > 0 {
		text += fmt.Sprintf("  %.0f acks/s", float64(s.Acked-last.Acked)/(s.Seconds-last.Seconds))
	}
	if s.RSS > 0 {
		text += fmt.Sprintf("  server %.1f MiB", float64(s.RSS)/(1<<20))
	}
	r.cfg.Logf("%s", text)
}

// meter is the beginning of a step.
type meter struct {
	at           int64
	received     uint64 // messages, by all workers
	server, self usage
}

func (r *run) meter() meter {
	m := meter{at: r.now()}
	for _, w := range r.workers {
		m.received += uint64(w.live.received.Load())
	}
	if r.cfg.PID != 0 {
		m.server, _ = usageOf(r.cfg.PID) // was read before; if it has ended, the connections say so
	}
	m.self, _ = usageOf(os.Getpid()) // stays zero where it cannot be read
	return m
}

// step notes a measured stretch from begin to end in which count things happened.
func (r *run) step(name string, begin, end meter, count uint64, latency *Histogram) {
	s := Step{Name: name, Count: count, Seconds: float64(end.at-begin.at) / 1e9,
		GeneratorCPU: (end.self.cpu - begin.self.cpu).Seconds()}
	if s.Seconds > 0 {
		s.PerSecond = float64(count) / s.Seconds
	}
	if latency != nil && latency.Count() > 0 {
		s.Latency = newLatency(latency)
	}
	if r.cfg.PID != 0 {
		cpu := (end.server.cpu - begin.server.cpu).Seconds()
		s.ServerCPU = &cpu
		if count > 0 {
			perMillion := cpu / float64(count) * 1e6
			s.CPUPerMillion = &perMillion
		}
	}
	r.result.Steps = append(r.result.Steps, s)
}

// merged adds up a histogram of all workers.
func (r *run) merged(of func(w *worker) *Histogram) *Histogram {
	sum := new(Histogram)
	for _, w := range r.workers {
		sum.Merge(of(w))
	}
	return sum
}

// total adds up a number of all workers.
func (r *run) total(of func(w *worker) uint64) (sum uint64) {
	for _, w := range r.workers {
		sum += of(w)
	}
	return sum
}

// rss returns what the server holds in memory now, zero if nobody can say.
func (r *run) rss() int64 {
	if r.cfg.PID == 0 {
		return 0
	}
	u, _ := usageOf(r.cfg.PID)
	return u.rss
}

// judge gathers what the workers have found.
func (r *run) judge() {
	var all faults
	res := r.result
	for _, w := range r.workers {
		res.Sent += w.sent
		res.Received += w.received
		res.Repeated += w.repeated
		res.Acked += w.acked
		for code, n := range w.refused {
			res.Refused[code] += n
		}
		all.merge(&w.faults)
	}
	res.Faults = all.list()
	res.Seconds = time.Since(r.began).Seconds()
}
