package actors

import "time"

// Shard … Job: something to run on a shard's goroutine.
type Job interface{ Run() }

// Shard is one event loop.
type Shard struct{}

// Post runs job on the shard's goroutine, in the order of posting. Any goroutine.
func (s *Shard) Post(job Job) {}

// Now returns the monotonic time of the current turn. Shard goroutine only.
func (s *Shard) Now() time.Duration { return 0 }

// Timer is an intrusive timer of a shard's wheel: embed it, set Fire once.
type Timer struct{ Fire func() }

// Set arms (or re-arms) t to fire once, on the shard's goroutine, after d (resolution 10 ms). Shard goroutine only.
func (s *Shard) Set(t *Timer, d time.Duration) {}

// Stop disarms t. Shard goroutine only.
func (s *Shard) Stop(t *Timer) {}
