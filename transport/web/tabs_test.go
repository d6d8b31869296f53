package web_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestTabs_OneAtATime(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	first := joined(t, s.URL("/"), "Alice", desktop)
	id := first.id()
	second := first.secondTab()
	second.open(s.URL("/"))
	second.sees("#gate", "open in another tab")
	first.connected()

	second.clickText("Use it here")
	second.connected()
	first.sees("#gate", "open in another tab")
	if got := second.id(); got != id {
		t.Errorf("the second tab is %s, want %s", got, id)
	}

	// What one tab has written the other finds.
	second.writeTo(id, "Myself")
	second.says("from the second tab")
	second.marked("from the second tab", "delivered")
	first.clickText("Use it here")
	first.connected()
	second.sees("#gate", "open in another tab")
	first.choose("Myself")
	first.sees(".message.out", "from the second tab")

	// And when it is closed, the one that waits goes on by itself.
	first.leave()
	second.connected()
}
