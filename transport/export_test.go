package transport

import "time"

// WithProofTimeout changes how long a client may take to answer a challenge.
func (o Options) WithProofTimeout(d time.Duration) Options {
	o.proofTimeout = d
	return o
}

// WithClock changes the clock of challenges.
func (o Options) WithClock(now func() time.Time) Options {
	o.now = now
	return o
}

// Routes returns what the server answers: paths by method.
func (s *Server) Routes() map[string][]string { return s.router.List() }
