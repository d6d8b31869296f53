package actors

import "testing"

// What is needed again and again stays in stock, of each size for itself; what is not is gone with the second trim.
func TestPool_TrimDropsWhatNobodyNeeds(t *testing.T) {
	p := &pool{budget: &budget{limit: 1 << 30}, meter: &meter{}}
	use := func(sizes ...int) {
		var taken [][]byte
		for _, size := range sizes {
			taken = append(taken, p.get(size))
		}
		for _, b := range taken {
			p.put(b)
		}
	}
	use(1<<10, 1<<10, 1<<10, 1<<20)
	p.trim() // all of it has been needed since the last
	if p.idle != 3<<10+1<<20 {
		t.Errorf("%d bytes in stock after a burst", p.idle)
	}
	use(1<<10, 1<<10)
	p.trim()
	if p.idle != 2<<10 {
		t.Errorf("%d bytes in stock where 2 KiB are needed", p.idle)
	}
	use(1<<10, 1<<10)
	if allocs := testing.AllocsPerRun(100, func() {
		a, b := p.get(1<<10), p.get(1<<10)
		p.put(a)
		p.put(b)
		p.trim()
	}); allocs != 0 {
		t.Errorf("%v allocations for what is in stock", allocs)
	}
	p.trim()
	p.trim()
	if p.idle != 0 || p.free[0].list != nil {
		t.Errorf("%d bytes in stock that nobody needs", p.idle)
	}
}

// The stock is bounded beside the budget, and the budget knows to the byte what is handed out.
func TestPool_Bounds(t *testing.T) {
	p := &pool{budget: &budget{limit: 1 << 20}, meter: &meter{}}
	var taken [][]byte
	for n := 0; n < 2*poolKeep; n += poolStep {
		taken = append(taken, p.get(poolStep))
		if behind := int64(n+poolStep) - p.budget.used.Load(); behind < 0 || behind > poolStep {
			t.Fatalf("the budget is %d bytes behind", behind)
		}
	}
	p.tell()
	if used := p.budget.used.Load(); used != 2*poolKeep {
		t.Errorf("%d bytes are handed out, the budget says %d", 2*poolKeep, used)
	}
	for i, b := range taken {
		p.put(b)
		if behind := p.budget.used.Load() - int64((len(taken)-1-i)*poolStep); behind < 0 || behind > poolStep {
			t.Fatalf("the budget is %d bytes ahead", behind)
		}
	}
	if p.idle != poolKeep {
		t.Errorf("%d bytes in stock, want %d", p.idle, poolKeep)
	}
	if p.tell(); p.budget.used.Load() != 0 {
		t.Errorf("the budget says that %d bytes are handed out", p.budget.used.Load())
	}
}
