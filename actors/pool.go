package actors

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// Buffers come in classes of 1 KiB to 1 MiB, each twice the one before; a larger one is made to measure.
const (
	poolClasses  = 11
	poolSmallest = 1 << 10
	poolKeep     = 4 << 20  // bytes that a shard may keep unused however small the budget is
	poolStep     = 64 << 10 // bytes by which the budget may be behind
)

// budget counts the bytes of buffered mail of a whole broker against its bound. See relief.go.
type budget struct {
	used     atomic.Int64
	spilling atomic.Int64 // of used: copies of accepted mail on their way to the store
	blocked  atomic.Int64 // of spilling: what the store does not take now
	limit    int64
}

// load is what the bound is for: no reading or relief makes anything of what is blocked less.
func (b *budget) load() int64 { return b.used.Load() - b.blocked.Load() }

func (b *budget) over() bool { return b.load() > b.limit }

// brim says that half as much as the bound is blocked.
func (b *budget) brim() bool { return b.blocked.Load() > b.limit/2 }

// reserve is by how much the budget may be exceeded: then nothing is read any more.
func (b *budget) reserve() int64 { return b.limit / 4 }

// keep is how much a shard may have in stock. It is not of the budget, but stays small beside it.
func (b *budget) keep() int { return int(max(poolKeep, b.limit/64)) }

// copies is how much may be on its way to the store and in memory besides, once the budget is exceeded.
func (b *budget) copies() int64 { return b.limit / 8 }

// full says that not even the reserve is left.
func (b *budget) full() bool { return b.load() > b.limit+b.reserve() }

// maySpill says that mail may be copied for the store without making things worse.
func (b *budget) maySpill() bool { return b.spilling.Load() <= b.copies() || !b.over() }

// pool is a shard's stock of buffers. What is handed out counts against the budget until it is put back.
type pool struct {
	budget *budget
	meter  *meter // the shard's
	tight  bool   // the budget was exceeded when the turn began
	brim   bool   // and this, as budget.brim says
	due    int64  // by how much used is behind: every shard writes to it, so that is not done for each buffer
	free   [poolClasses]stock[[]byte]
	idle   int // bytes in free

	outboxes stock[*outbox] // empty, without a buffer
	scratch  []byte         // for encoding within one call
}

// stock is what is kept of one kind. What was put in last is taken first: it may still be in a cache.
type stock[T any] struct {
	list []T
	low  int // the least there was since the last trim: what nobody needed
}

func (s *stock[T]) put(x T) { s.list = append(s.list, x) }

func (s *stock[T]) take() (x T, ok bool) {
	n := len(s.list) - 1
	if n < 0 {
		return x, false
	}
	x, s.list[n] = s.list[n], x
	s.list = s.list[:n]
	s.low = min(s.low, n)
	return x, true
}

// trim drops what was not needed since the last trim, the longest unused first, and returns how many.
func (s *stock[T]) trim() (dropped int) {
	dropped = s.low
	if s.list = slices.Delete(s.list, 0, dropped); len(s.list) == 0 {
		s.list = nil
	}
	s.low = len(s.list)
	return dropped
}

// classOf returns the class of buffers with room for n bytes, poolClasses if there is none.
func classOf(n int) int {
	return min(bits.Len(uint(max(n-1, 0)/poolSmallest)), poolClasses)
}

// count notes that n bytes more are handed out. The budget learns of it within poolStep bytes, or when the turn ends.
func (p *pool) count(n int) {
	if p.due += int64(n); p.due >= poolStep || p.due <= -poolStep {
		p.tell()
	}
}

// tell brings the budget up to date.
func (p *pool) tell() {
	if p.due != 0 {
		p.budget.used.Add(p.due)
		p.due = 0
	}
}

// get returns an empty buffer with room for n bytes.
func (p *pool) get(n int) []byte {
	class := classOf(n)
	if class == poolClasses {
		p.count(n)
		return make([]byte, 0, n)
	}
	size := poolSmallest << class
	p.count(size)
	if b, ok := p.free[class].take(); ok {
		p.idle -= size
		return b[:0]
	}
	return make([]byte, 0, size)
}

// fit returns a buffer with the content of b and no room for more, and takes b back.
func (p *pool) fit(b []byte) []byte {
	if len(b) == 0 || len(b) == cap(b) {
		return b
	}
	p.count(len(b))
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
	p.count(-size)
	class := classOf(size)
	if class == poolClasses || size != poolSmallest<<class || p.idle+size > p.budget.keep() {
		return
	}
	p.free[class].put(b)
	p.idle += size
}

// grow returns a buffer with the content of b and room for n bytes more, and takes b back.
func (p *pool) grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	times := 4 // small ones grow in large steps, which saves copies
	if cap(b) >= poolSmallest<<2 || p.tight {
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
	if o, ok := p.outboxes.take(); ok {
		return o
	}
	return &outbox{entries: make([]entry, 0, 8)}
}

// putOutbox takes back an outbox with all it holds.
func (p *pool) putOutbox(o *outbox) {
	p.put(o.buf)
	if cap(o.entries) > poolEntries || len(p.outboxes.list) == poolOutboxes {
		return
	}
	clear(o.entries)
	*o = outbox{entries: o.entries[:0]}
	p.outboxes.put(o)
}

// trim lets go of what was not used since the last trim, so that a burst leaves nothing behind.
func (p *pool) trim() {
	for class := range p.free {
		p.idle -= p.free[class].trim() * poolSmallest << class
	}
	p.outboxes.trim()
	if cap(p.scratch) > poolSmallest<<4 {
		p.scratch = nil
	}
}
