package mail

import "sync"

// SeenTexts is how many ids of texts are remembered for each sender. A server may deliver a text again, by accident or by
// malice; with so many others of the sender in between it is not recognised.
const SeenTexts = 1000

// Seen holds the ids of the last texts of one sender. The zero value is ready, and it is safe for concurrent use.
type Seen struct {
	mu   sync.Mutex
	ids  map[string]bool
	ring []string // in the order of their coming, the oldest at next once it is full
	next int
}

// Add remembers an id and reports whether it was new.
func (s *Seen) Add(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[id] {
		return false
	}
	if s.ids == nil {
		s.ids = make(map[string]bool)
	}
	s.ids[id] = true
	if len(s.ring) < SeenTexts {
		s.ring = append(s.ring, id)
		return true
	}
	delete(s.ids, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % SeenTexts
	return true
}

// IDs returns them, the oldest first.
func (s *Seen) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(append([]string(nil), s.ring[s.next:]...), s.ring[:s.next]...)
}
