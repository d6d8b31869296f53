package transport

import (
	"slices"
	"strings"
	"testing"
)

// Many clients that each send most of a large message, and then nothing, cannot hold more than the bound together.
func TestConn_IsClosedWhenMessagesInPartTakeTooMuch(t *testing.T) {
	h := newHarness(t)
	h.loop.maxHeld = 10_000
	large := h.message(strings.Repeat("x", 20_000))
	h.receive(large[:5000])
	h.want("timer 30s")
	h.loop.held += 6000 // what another conn of the shard holds
	h.receive(large[5000:5100])
	if !strings.Contains(strings.Join(h.log, ","), " 1013") {
		t.Fatalf("not closed: %q", h.log)
	}
	if h.loop.held != 6000 {
		t.Errorf("%d bytes are counted as held", h.loop.held-6000)
	}
	if h.dec.cut != nil {
		t.Error("the memory is held still")
	}
	// Whole messages and small parts go through when there is room.
	other := newHarness(t)
	other.loop.maxHeld = 10_000
	other.receive(other.message("1"), other.message("2")[:5])
	other.receive(other.message("2")[5:])
	if want := []string{"submit 1", "timer 30s", "submit 2", "no timer"}; !slices.Equal(other.log, want) || other.loop.held != 0 {
		t.Errorf("got %q, %d bytes held", other.log, other.loop.held)
	}
}

// Who began long ago and does not go on makes room for who sends now.
func TestLoop_ClosesWhoHasTakenLongest(t *testing.T) {
	slow, idle, quick := newHarness(t), newHarness(t), newHarness(t)
	l := slow.loop
	l.maxHeld = 20_000
	idle.loop, quick.loop = l, l
	large := slow.message(strings.Repeat("x", 15_000))
	slow.receive(large[:9000])
	idle.receive(idle.message("1")[:5])
	idle.receive(idle.message("1")[5:], large[:3]) // a message later, this one began after that of slow
	quick.receive(quick.message("2"), large[:14_000])
	closed := func(h *harness) bool { return strings.Contains(strings.Join(h.log, ","), " 1013") }
	if !closed(slow) || closed(idle) || closed(quick) {
		t.Fatalf("closed: %v %v %v", closed(slow), closed(idle), closed(quick))
	}
	quick.log = nil
	quick.receive(large[14_000:])
	quick.want("submit " + strings.Repeat("x", 15_000))
	idle.receive(large[3:])
	if closed(idle) || l.held != 0 || l.oldest != nil || l.newest != nil {
		t.Errorf("%d bytes are held, %v", l.held, idle.log)
	}
	// What one message alone cannot have is its own fault.
	l.maxHeld = 10_000
	quick.receive(large[:14_000])
	if !closed(quick) || l.held != 0 || l.oldest != nil {
		t.Errorf("%d bytes are held", l.held)
	}
}
