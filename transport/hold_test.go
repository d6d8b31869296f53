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
