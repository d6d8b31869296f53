package load

// WithGoroutines has a run do without epoll, as on systems that have none.
func WithGoroutines(cfg Config) Config {
	cfg.goroutines = true
	return cfg
}
