package client

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOutbox_Model compares an outbox with a slice.
func TestOutbox_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			o      outbox
			all    []*outgoing // not settled, in order
			n      int
			window = rapid.IntRange(0, 4).Draw(t, "window")
		)
		onWire := func() int {
			k := 0
			for _, m := range all {
				if m.onWire {
					k++
				}
			}
			return k
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n++
				m := &outgoing{to: "u", id: fmt.Sprint(n), settled: make(chan struct{})}
				if !o.add(m) || o.add(&outgoing{to: "u", id: m.id}) {
					t.Fatal("add")
				}
				all = append(all, m)
			},
			"take": func(t *rapid.T) {
				var want *outgoing
				if i := slices.IndexFunc(all, func(m *outgoing) bool { return !m.onWire }); i >= 0 && (window == 0 || onWire() < window) {
					want = all[i]
				}
				if m := o.take(window); m != want {
					t.Fatalf("took %v, want %v", m, want)
				}
			},
			"settle": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "i")
				m := all[i]
				if !o.settle(m, nil) || o.settle(m, nil) {
					t.Fatal("settle")
				}
				all = slices.Delete(all, i, i+1)
			},
			"rewind": func(t *rapid.T) { o.rewind() },
			"": func(t *rapid.T) {
				if o.inFlight != onWire() || len(o.byKey) != len(all) {
					t.Fatalf("%d in flight, %d by key; %d and %d expected", o.inFlight, len(o.byKey), onWire(), len(all))
				}
				i := 0
				for m := o.first; m != nil; m = m.next {
					if m != all[i] {
						t.Fatalf("order broken at %d", i)
					}
					found := o.find(m.to, m.id) == m
					if found != m.ever || m.onWire && o.find("", m.id) != m {
						t.Fatalf("found: %v, written: %v", found, m.ever)
					}
					i++
				}
				if i != len(all) || (o.last == nil) != (i == 0) || i > 0 && o.last != all[i-1] {
					t.Fatalf("%d in the list, want %d", i, len(all))
				}
			},
		})
	})
}

func TestOutbox_Largest(t *testing.T) {
	var o outbox
	for i, p := range []string{"aa", "bbbb", "c", "dddddddd"} {
		o.add(&outgoing{id: fmt.Sprint(i), payload: p, settled: make(chan struct{})})
	}
	for range 3 {
		o.take(0)
	}
	if m := o.largest(); m.payload != "bbbb" {
		t.Errorf("largest on the wire is %q", m.payload)
	}
}
