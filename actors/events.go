package actors

import (
	"context"
	"sync"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of events. Mail that is delivered live makes none.
const (
	EventAttached EventKind = iota + 1 // User has a conn
	EventDetached                      // User has none any more
	EventParked                        // Count envelopes for User go to the store
	EventRefused                       // Count times User, or nobody known, was told an error, Code
	EventDropped                       // Count envelopes for User, or unknown users, have expired, or were lost by a fault of the server
)

// String returns the kind's name.
func (k EventKind) String() string {
	switch k {
	case EventAttached:
		return "attached"
	case EventDetached:
		return "detached"
	case EventParked:
		return "parked"
	case EventRefused:
		return "refused"
	case EventDropped:
		return "dropped"
	}
	return "unknown"
}

// Event is something that a host may want to know of, published as *Event on the EventStream of the broker's actor system
// if [WithEvents] says so. A subscriber must not change it. The events of one user have the order in which things happened,
// and the conn that replaces another is attached after that one was detached.
type Event struct {
	Broker *Broker
	Kind   EventKind
	Code   protocol.Code
	User   protocol.UserID // the zero value where there is none to name
	Count  int
}

// maxEvents bounds the events that wait for subscribers.
const maxEvents = 8 << 10

// herald publishes events on a goroutine of its own, so that a subscriber that blocks or panics harms no shard.
type herald struct {
	mu     sync.Mutex
	queue  []Event       // guarded by mu
	lost   uint64        // guarded by mu: subscribers were too slow
	closed bool          // guarded by mu
	wake   chan struct{} // something has come, or closed
	done   chan struct{}
}

func newHerald() *herald {
	return &herald{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// emit hands an event on. Nobody who delivers live mail calls it.
func (b *Broker) emit(e Event) {
	h := b.herald
	if h == nil {
		return
	}
	e.Broker = b
	h.mu.Lock()
	first := len(h.queue) == 0
	if len(h.queue) < maxEvents && !h.closed {
		h.queue = append(h.queue, e)
	} else {
		h.lost++
	}
	h.mu.Unlock()
	if first {
		h.signal()
	}
}

func (h *herald) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// publish publishes until the broker ends and the queue is empty.
func (b *Broker) publish() {
	h := b.herald
	defer close(h.done)
	for range h.wake {
		h.mu.Lock()
		events, closed := h.queue, h.closed
		h.queue = nil
		h.mu.Unlock()
		for i := range events {
			b.publishOne(&events[i])
		}
		if closed {
			return
		}
	}
}

func (b *Broker) publishOne(e *Event) {
	defer func() {
		if reason := recover(); reason != nil {
			b.hostPanicked("subscriber of events", reason)
		}
	}()
	b.system.EventStream.Publish(e)
}

// close lets the subscribers see what has happened, as long as ctx allows.
func (h *herald) close(ctx context.Context) {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.signal()
	select {
	case <-h.done:
	case <-ctx.Done():
	}
}

// unheard returns how many events no subscriber was told of.
func (h *herald) unheard() uint64 {
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}
