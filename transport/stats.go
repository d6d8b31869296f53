package transport

import "sync/atomic"

// Stats is a moment's view of a server's counters; all but those that say otherwise count from the start. What the conns
// do once they are attached the broker counts.
type Stats struct {
	Answers      map[int]uint64 // to HTTP requests, by status; 101 is an upgrade
	HTTPConns    int            // connections that speak HTTP, now
	Conns        int            // WebSocket connections, attached or not, now
	AcceptPauses uint64         // times that no connection could be accepted for want of files or memory
	Challenges   uint64         // conns that were asked to prove their key
	Proven       uint64         // that did
	Declined     uint64         // that said they would not
	Failed       uint64         // that gave a wrong proof, or none in time
	Abandoned    uint64         // that ended before they had answered
}

// meter is what a server counts itself. None of it is on the way of a message.
type meter struct {
	answers      [600]atomic.Uint64 // by status
	acceptPauses atomic.Uint64

	challenges, proven, declined, failed, abandoned atomic.Uint64
}

// answered counts an answer.
func (m *meter) answered(status int) {
	if status >= 0 && status < len(m.answers) {
		m.answers[status].Add(1)
	}
}

// Stats returns the counters. Any goroutine may call it.
func (s *Server) Stats() Stats {
	m := &s.meter
	out := Stats{
		Answers: make(map[int]uint64), AcceptPauses: m.acceptPauses.Load(), Challenges: m.challenges.Load(),
		Proven: m.proven.Load(), Declined: m.declined.Load(), Failed: m.failed.Load(), Abandoned: m.abandoned.Load(),
	}
	for status := range m.answers {
		if n := m.answers[status].Load(); n > 0 {
			out.Answers[status] = n
		}
	}
	s.mu.Lock()
	out.HTTPConns = len(s.httpConns)
	s.mu.Unlock()
	s.conns.mu.Lock()
	out.Conns = s.conns.open
	s.conns.mu.Unlock()
	return out
}
