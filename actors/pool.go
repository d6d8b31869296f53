package actors

import (
	"math/bits"
	"sync/atomic"
)

// Buffers come in classes of 1 KiB to 1 MiB, each twice the one before; a larger one is made to measure.
const (
	poolClasses  = 11
	poolSmallest = 1 << 10
	poolKeep     = 4 << 20 // bytes a shard keeps unused at most
)

// budget counts the bytes of buffered mail of a whole broker against its bound. See relief.go.
type budget struct {
	used     atomic.Int64
	spilling atomic.Int64 // of used: copies of accepted mail on their way to the store
	limit    int64
}

func (b *budget) over() bool { return b.used.Load() > b.limit }

// reserve is by how much the budget may be exceeded: then nothing is read any more.
func (b *budget) reserve() int64 { return b.limit / 4 }

// copies is how much may be on its way to the store and in memory besides, once the budget is exceeded.
func (b *budget) copies() int64 { return b.limit / 8 }

// full says that not even the reserve is left.
func (b *budget) full() bool { return b.used.Load() > b.limit+b.reserve() }

// maySpill says that mail may be copied for the store without making things worse.
func (b *budget) maySpill() bool { return b.spilling.Load() <= b.copies() || !b.over() }

// pool is a shard's stock of buffers. What is handed out counts against the budget until it is put back.
type pool struct {
	budget *budget
	meter  *meter // the shard's
	tight  bool   // the budget was exceeded when the turn began
	free   [poolClasses][][]byte
	idle   int // bytes in free
	low    int // least idle since the last trim: what nobody needed

	outboxes []*outbox // empty, without a buffer
	scratch  []byte    // for encoding within one call
}

// classOf returns the class of buffers with room for n bytes, poolClasses if there is none.
func classOf(n int) int {
	return min(bits.Len(uint(max(n-1, 0)/poolSmallest)), poolClasses)
}

// get returns an empty buffer with room for n bytes.
func (p *pool) get(n int) []byte {
	class := classOf(n)
	if class == poolClasses {
		p.budget.used.Add(int64(n))
		return make([]byte, 0, n)
	}
	size := poolSmallest << class
	p.budget.used.Add(int64(size))
	if stock := p.free[class]; len(stock) > 0 {
		b := stock[len(stock)-1]
		stock[len(stock)-1] = nil
		p.free[class] = stock[:len(stock)-1]
		p.idle -= size
		p.low = min(p.low, p.idle)
		return b[:0]
	}
	return make([]byte, 0, size)
}

// fit returns a buffer with the content of b and no room for more, and takes b back.
func (p *pool) fit(b []byte) []byte {
	if len(b) == 0 || len(b) == cap(b) {
		return b
	}
	p.budget.used.Add(int64(len(b)))
	smaller := append(make([]byte, 0, len(b)), b...)
	p.put(b)
	return smaller
}

// put takes back a buffer that get or fit returned.
func (p *pool) put(b []byte) {
	size := cap(b)
	if size == 0 {
		return
	}
	p.budget.used.Add(-int64(size))
	class := classOf(size)
	if class == poolClasses || size != poolSmallest<<class || p.idle+size > poolKeep {
		return
	}
	p.free[class] = append(p.free[class], b)
	p.idle += size
}

// grow returns a buffer with the content of b and room for n bytes more, and takes b back.
func (p *pool) grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	times := 4 // small ones grow in large steps, which saves copies
	if cap(b) > poolSmallest<<2 || p.tight {
		times = 2
	}
	bigger := append(p.get(max(len(b)+n, times*cap(b))), b...)
	p.put(b)
	return bigger
}

// Outboxes are kept for those who need one next, up to so many, each with at most so many entries.
const (
	poolOutboxes = 1024
	poolEntries  = 256
)

// getOutbox returns an empty outbox.
func (p *pool) getOutbox() *outbox {
	if n := len(p.outboxes); n > 0 {
		o := p.outboxes[n-1]
		p.outboxes[n-1] = nil
		p.outboxes = p.outboxes[:n-1]
		return o
	}
	return &outbox{entries: make([]entry, 0, 8)}
}

// putOutbox takes back an outbox with all it holds.
func (p *pool) putOutbox(o *outbox) {
	p.put(o.buf)
	if cap(o.entries) > poolEntries || len(p.outboxes) == poolOutboxes {
		return
	}
	clear(o.entries)
	*o = outbox{entries: o.entries[:0]}
	p.outboxes = append(p.outboxes, o)
}

// trim lets go of what was not used since the last trim, so that a burst leaves nothing behind.
func (p *pool) trim() {
	drop := p.low
	for class := poolClasses - 1; class >= 0 && drop > 0; class-- {
		size := poolSmallest << class
		for stock := p.free[class]; len(stock) > 0 && drop >= size; stock = p.free[class] {
			stock[len(stock)-1] = nil
			p.free[class] = stock[:len(stock)-1]
			p.idle -= size
			drop -= size
		}
		if len(p.free[class]) == 0 {
			p.free[class] = nil
		}
	}
	p.low = p.idle
	p.outboxes = p.outboxes[:len(p.outboxes)/2]
	clear(p.outboxes[len(p.outboxes):cap(p.outboxes)])
	if cap(p.scratch) > poolSmallest<<4 {
		p.scratch = nil
	}
}
