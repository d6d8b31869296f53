package embedded

// WithFree makes a store believe that so many bytes of its disk are free.
func (o Options) WithFree(free func() (int64, error)) Options {
	o.free = free
	return o
}
