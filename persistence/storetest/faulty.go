package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Method names a method of actors.Store.
type Method string

// The methods a fault can be set for.
const (
	PutKeys Method = "PutKeys"
	Keys    Method = "Keys"
	Lock    Method = "Lock"
	Append  Method = "Append"
	Read    Method = "Read"
	Confirm Method = "Confirm"
	Expire  Method = "Expire"
	Ceiling Method = "Ceiling"
	Ping    Method = "Ping"
	Close   Method = "Close"
)

// Fault is what befalls the calls of one method. The zero value is none. What is set happens in this order: Delay,
// Hold, Before or Items, the call itself, After.
type Fault struct {
	Delay  time.Duration   // wait so long
	Hold   <-chan struct{} // wait until it is closed
	Before error           // return this and do not make the call
	Items  error           // the result of each item, with a nil error of the whole, and do not make the call
	After  error           // make the call, return this and drop its results
	Late   bool            // Delay and Hold come after the call instead of before it
	Times  int             // for so many calls, then none; 0: until it is changed
}

// Faulty passes calls on to a store and makes them fail, wait or come late as it is told. All methods may be called
// from any goroutine.
//
// A call whose context ends while it waits returns ErrUnavailable if the store has not seen it, and ErrUnknownOutcome
// with Late: then the store has.
type Faulty struct {
	store actors.Store

	mu     sync.Mutex // guards the rest
	faults map[Method]Fault
	calls  map[Method]int
	called chan struct{} // closed and renewed with each call
}

// NewFaulty wraps a store, at first without any fault. Close closes it.
func NewFaulty(store actors.Store) *Faulty {
	return &Faulty{
		store:  store,
		faults: make(map[Method]Fault),
		calls:  make(map[Method]int),
		called: make(chan struct{}),
	}
}

// Set replaces the fault of each method named. Calls that wait already are not changed by it.
func (f *Faulty) Set(fault Fault, methods ...Method) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range methods {
		f.faults[m] = fault
	}
}

// Heal removes all faults.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
}

// Calls returns how many calls of the method have begun.
func (f *Faulty) Calls(m Method) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[m]
}

// Await returns once at least n calls of the method have begun, or with the context's error.
func (f *Faulty) Await(ctx context.Context, m Method, n int) error {
	for {
		f.mu.Lock()
		calls, called := f.calls[m], f.called
		f.mu.Unlock()
		if calls >= n {
			return nil
		}
		select {
		case <-called:
		case <-ctx.Done():
			return fmt.Errorf("await %d calls of %s, saw %d: %w", n, m, calls, ctx.Err())
		}
	}
}

// begin counts a call and returns the fault that applies to it.
func (f *Faulty) begin(m Method) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[m]++
	close(f.called)
	f.called = make(chan struct{})
	fault, ok := f.faults[m]
	if ok && fault.Times > 0 {
		if fault.Times--; fault.Times == 0 {
			delete(f.faults, m)
		} else {
			f.faults[m] = fault
		}
	}
	return fault
}

// call runs one call under its fault; items sets the result of each item.
func (f *Faulty) call(ctx context.Context, m Method, call func() error, items func(error)) error {
	fault := f.begin(m)
	if !fault.Late {
		if err := fault.wait(ctx, m, persistence.ErrUnavailable); err != nil {
			return err
		}
	}
	if fault.Before != nil {
		return fmt.Errorf("%s: %w", m, fault.Before)
	}
	if fault.Items != nil {
		items(fmt.Errorf("%s: %w", m, fault.Items))
		return nil
	}
	err := call()
	if fault.Late {
		if err := fault.wait(ctx, m, persistence.ErrUnknownOutcome); err != nil {
			return err
		}
	}
	if fault.After != nil {
		return fmt.Errorf("%s: %w", m, fault.After)
	}
	return err
}

// wait waits as the fault says, or until the context ends: then it returns cut.
func (f *Fault) wait(ctx context.Context, m Method, cut error) error {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", m, cut, ctx.Err())
		}
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", m, cut, ctx.Err())
		}
	}
	return nil
}

// each returns a function that sets every element of errs.
func each(errs []error) func(error) {
	return func(err error) {
		for i := range errs {
			errs[i] = err
		}
	}
}

// PutKeys passes the call on, or not.
func (f *Faulty) PutKeys(ctx context.Context, keys []persistence.KeyRecord, errs []error) error {
	return f.call(ctx, PutKeys, func() error { return f.store.PutKeys(ctx, keys, errs) }, each(errs))
}

// Keys passes the call on, or not.
func (f *Faulty) Keys(ctx context.Context, users []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	return f.call(ctx, Keys, func() error { return f.store.Keys(ctx, users, keys, errs) }, each(errs))
}

// Lock passes the call on, or not.
func (f *Faulty) Lock(ctx context.Context, users []protocol.UserID, errs []error) error {
	return f.call(ctx, Lock, func() error { return f.store.Lock(ctx, users, errs) }, each(errs))
}

// Append passes the call on, or not.
func (f *Faulty) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	return f.call(ctx, Append, func() error { return f.store.Append(ctx, pending, errs) }, each(errs))
}

// Read passes the call on, or not.
func (f *Faulty) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	return f.call(ctx, Read, func() error { return f.store.Read(ctx, requests, pages) }, func(err error) {
		for i := range pages {
			pages[i] = persistence.Page{Err: err}
		}
	})
}

// Confirm passes the call on, or not.
func (f *Faulty) Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error {
	return f.call(ctx, Confirm, func() error { return f.store.Confirm(ctx, confirmed, errs) }, each(errs))
}

// Expire passes the call on, or not. It has no items: Items is as if nothing had expired.
func (f *Faulty) Expire(ctx context.Context, now int64, limit int) (n int, err error) {
	err = f.call(ctx, Expire, func() (err error) {
		n, err = f.store.Expire(ctx, now, limit)
		return err
	}, func(error) {})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Ceiling passes the call on, or not. It has no items: Items is as if the ceiling had been 0 and nothing done.
func (f *Faulty) Ceiling(ctx context.Context, raise uint64) (was uint64, err error) {
	err = f.call(ctx, Ceiling, func() (err error) {
		was, err = f.store.Ceiling(ctx, raise)
		return err
	}, func(error) {})
	if err != nil {
		return 0, err
	}
	return was, nil
}

// Ping passes the call on, or not.
func (f *Faulty) Ping(ctx context.Context) error {
	return f.call(ctx, Ping, func() error { return f.store.Ping(ctx) }, func(error) {})
}

// Close passes the call on, or not.
func (f *Faulty) Close() error {
	return f.call(context.Background(), Close, f.store.Close, func(error) {})
}
