package transport

import "sync"

// chunkSizes are the capacities of pooled chunks. The largest has room for what a stream takes and, behind it, for the
// last bytes before a close; what is larger is left to the collector.
var chunkSizes = [...]int{512, 2 << 10, 8 << 10, 32 << 10, 136 << 10}

var chunkPools [len(chunkSizes)]sync.Pool

// chunk is a pooled buffer, for goroutines that are no shard's; a shard lends its own. It has one owner at a time, who
// releases it.
type chunk struct {
	b     []byte
	class int8 // index into chunkSizes, -1 if not pooled
}

// newChunk returns an empty chunk with room for n bytes.
func newChunk(n int) *chunk {
	for class, size := range chunkSizes {
		if n > size {
			continue
		}
		if c, ok := chunkPools[class].Get().(*chunk); ok {
			return c
		}
		return &chunk{b: make([]byte, 0, size), class: int8(class)}
	}
	return &chunk{b: make([]byte, 0, n), class: -1}
}

// release gives the chunk back. A nil chunk is none.
func (c *chunk) release() {
	if c == nil || c.class < 0 {
		return
	}
	c.b = c.b[:0]
	chunkPools[c.class].Put(c)
}

// extend appends p to c, which may be nil, and returns the chunk that holds it all: c or, if that was too small, another
// one in its place.
func (c *chunk) extend(p []byte) *chunk {
	if c == nil {
		c = newChunk(len(p))
	}
	if cap(c.b)-len(c.b) < len(p) {
		bigger := newChunk(max(len(c.b)+len(p), min(2*cap(c.b), maxDoubling)))
		bigger.b = append(bigger.b, c.b...)
		c.release()
		c = bigger
	}
	c.b = append(c.b, p...)
	return c
}

// maxDoubling is the size from which chunks grow by what is needed only.
const maxDoubling = 1 << 20
