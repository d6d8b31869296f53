package embedded

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// within returns whether f returns nil before a second of the bubble's time has passed.
func within(t *testing.T, f func(context.Context) error) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := f(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want nil or the deadline", err)
	}
	return err == nil
}

func TestGate_ExpireRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		for range 2 {
			if !within(t, g.enter) {
				t.Fatal("two calls that name users do not run at once")
			}
		}
		if within(t, g.enterAlone) {
			t.Fatal("Expire ran beside others")
		}
		if !within(t, g.enter) {
			t.Fatal("Expire gave up and still keeps others out")
		}
		entered := make(chan bool)
		go func() { entered <- within(t, g.enterAlone) }()
		synctest.Wait()
		soon, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if g.enter(soon) == nil {
			t.Fatal("a call overtook Expire, which may wait for ever then")
		}
		if <-entered {
			t.Fatal("Expire ran beside others")
		}
		go func() { entered <- within(t, g.enterAlone) }()
		synctest.Wait()
		for range 3 {
			g.leave(false)
		}
		if !<-entered {
			t.Fatal("Expire did not run once the others had left")
		}
		if within(t, g.enter) || within(t, g.enterAlone) {
			t.Fatal("somebody ran beside Expire")
		}
		g.leave(true)
		if !within(t, g.enter) {
			t.Fatal("Expire has left and keeps others out")
		}
	})
}

func TestGate_NothingBeginsWhileACommitIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, alone := range []bool{false, true} {
			var g gate
			if alone && !within(t, g.enterAlone) || !alone && !within(t, g.enter) {
				t.Fatal("the gate is not open at first")
			}
			g.giveUp()
			if within(t, g.enter) || within(t, g.enterAlone) || within(t, g.empty) || !g.stalled() {
				t.Fatal("the gate is open with a commit overdue")
			}
			g.settle(alone)
			if g.stalled() || !within(t, g.empty) || !within(t, g.enter) {
				t.Fatal("the gate is shut with nothing under way")
			}
		}
	})
}

func TestLRU_KeepsWhatWasUsedLast(t *testing.T) {
	held := map[int]bool{}
	l := newLRU(30, func(v int) bool { return held[v] })
	names := []string{"a", "b", "c", "d", "e"}
	has := func(want ...int) {
		t.Helper()
		for i, name := range names {
			_, ok := l.entries[user(name)]
			if expect := len(want) > 0 && want[0] == i; ok != expect {
				t.Fatalf("%s cached: %v, want %v", name, ok, expect)
			} else if expect {
				want = want[1:]
			}
		}
	}
	for i := range 3 {
		l.put(user(names[i]), i, 10)
	}
	has(0, 1, 2)
	l.get(user("a"))
	l.put(user("d"), 3, 10)
	has(0, 2, 3)
	held[2] = true
	e := l.put(user("e"), 4, 20) // c is the oldest, and held
	has(2, 4)
	l.recost(e, 10)
	l.put(user("e"), 4, 10)
	l.recost(e, 1000) // no longer cached
	if l.cost != 20 {
		t.Fatalf("cost is %d, want 20", l.cost)
	}
	held[2] = false
	l.recost(l.get(user("e")), 25)
	has(4)
}
