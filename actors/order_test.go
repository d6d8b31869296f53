package actors_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// begun sets a conn's place among all.
func begun(order uint32) func(*conn) { return func(c *conn) { c.order = order } }

// TestOrder_AConnThatComesLateReplacesNobodyNewer attaches conns in another order than that in which they began, as
// happens on a machine with too much to do.
func TestOrder_AConnThatComesLateReplacesNobodyNewer(t *testing.T) {
	const top = 1<<32 - 1
	for name, c := range map[string]struct {
		first, second []func(*conn)
		stays         bool // the first
	}{
		"in order":                       {[]func(*conn){begun(7)}, []func(*conn){begun(8)}, false},
		"late":                           {[]func(*conn){begun(8)}, []func(*conn){begun(7)}, true},
		"late, around the end":           {[]func(*conn){begun(3)}, []func(*conn){begun(top)}, true},
		"in order, around the end":       {[]func(*conn){begun(top)}, []func(*conn){begun(3)}, false},
		"after half a round":             {[]func(*conn){begun(8)}, []func(*conn){begun(8 + 1<<31)}, false},
		"no order":                       {[]func(*conn){begun(8)}, nil, false},
		"to one without order":           {nil, []func(*conn){begun(8)}, false},
		"late, with a proof against one": {[]func(*conn){begun(8), proven}, []func(*conn){begun(7), proven}, true},
		"late, with a proof":             {[]func(*conn){begun(8)}, []func(*conn){begun(7), proven}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t, storetest.NewMemory(persistence.Quota{}))
			id := login(t, b, "alice")
			first := attach(t, b, id, c.first...)
			second := connect(t, b, id, c.second...)
			stays, goes := second, first
			if c.stays {
				stays, goes = first, second
			}
			for f := goes.next(); f.close != protocol.CloseReplaced; f = goes.next() {
				if f.Type != "ready" && f.Type != "drained" && f.Code != "REPLACED" {
					t.Fatalf("got %+v", f)
				}
			}
			if c.stays && goes.isReady() {
				t.Error("the one that came late was told that it is attached")
			}
			stays.send(id, "to myself")
			for f := stays.next(); f.Payload != "to myself"; f = stays.next() {
				if f.Type != "ready" && f.Type != "drained" {
					t.Fatalf("got %+v", f)
				}
			}
		})
	}
}
