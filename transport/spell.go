package transport

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// places are those that all connections of a server take, whatever they speak.
type places struct {
	limit int64 // none if not positive
	taken atomic.Int64
}

// take takes a place and reports whether there was one.
func (p *places) take() bool {
	if p.taken.Add(1) > p.limit && p.limit > 0 {
		p.taken.Add(-1)
		return false
	}
	return true
}

// force takes a place for a connection that cannot be refused any more.
func (p *places) force() { p.taken.Add(1) }

// give gives a place back.
func (p *places) give() { p.taken.Add(-1) }

// full reports whether take would fail.
func (p *places) full() bool { return p.limit > 0 && p.taken.Load() >= p.limit }

// spellQuiet is how long nothing must have happened for a spell to be over. It is longer than accepting waits between
// two attempts.
const spellQuiet = 3 * time.Second

// spell is a stretch of time in which something cannot be done, over and over: one line in the log says that it begins,
// one that it is over, however often it happens in between. Any goroutine may use it.
type spell struct {
	log        *slog.Logger
	begin, end string // the lines

	mu    sync.Mutex
	count int         // guarded by mu: how often it has happened; 0 outside of a spell
	since time.Time   // guarded by mu: when it happened first
	last  time.Time   // guarded by mu: and last
	over  *time.Timer // guarded by mu: looks whether it is over
}

// meet notes that it has happened. The attributes go to the first line.
func (s *spell) meet(attrs ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	if s.count++; s.count > 1 {
		return
	}
	s.since = s.last
	s.log.Warn(s.begin, attrs...)
	s.over = time.AfterFunc(spellQuiet, s.look)
}

// look ends the spell if it has been quiet for long enough.
func (s *spell) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == 0 {
		return // stopped
	}
	if left := spellQuiet - time.Since(s.last); left > 0 {
		s.over.Reset(left)
		return
	}
	s.log.Warn(s.end, "after", s.last.Sub(s.since).Round(time.Millisecond), "times", s.count)
	s.count = 0
}

// stop ends the looking.
func (s *spell) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		s.over.Stop()
	}
	s.count = 0
}
