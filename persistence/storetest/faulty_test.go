package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

func mail(seq uint64) []persistence.Pending {
	return []persistence.Pending{{Seq: seq, Expires: 1 << 50, Payload: []byte("x")}}
}

// stored says how many envelopes a store holds for the user of mail.
func stored(t *testing.T, f *storetest.Faulty) int {
	t.Helper()
	pages := make([]persistence.Page, 1)
	err := f.Read(t.Context(), []persistence.ReadRequest{{Count: 100, Bytes: 1 << 20}}, pages)
	if err := errors.Join(err, pages[0].Err); err != nil {
		t.Fatalf("Read: %v", err)
	}
	return len(pages[0].Pending)
}

func TestFaulty_FailsBeforeOrAfterTheCall(t *testing.T) {
	f := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{}))
	errs := make([]error, 1)
	f.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Append)
	if err := f.Append(t.Context(), mail(1), errs); !errors.Is(err, persistence.ErrUnavailable) || stored(t, f) != 0 {
		t.Fatalf("Before: %v, %d stored", err, stored(t, f))
	}
	f.Set(storetest.Fault{Items: persistence.ErrFull}, storetest.Append)
	if err := f.Append(t.Context(), mail(1), errs); err != nil || !errors.Is(errs[0], persistence.ErrFull) || stored(t, f) != 0 {
		t.Fatalf("Items: %v, %v, %d stored", err, errs[0], stored(t, f))
	}
	f.Set(storetest.Fault{After: persistence.ErrUnknownOutcome, Times: 1}, storetest.Append)
	if err := f.Append(t.Context(), mail(1), errs); !errors.Is(err, persistence.ErrUnknownOutcome) || stored(t, f) != 1 {
		t.Fatalf("After: %v, %d stored", err, stored(t, f))
	}
	if err := f.Append(t.Context(), mail(2), errs); err != nil || errs[0] != nil || stored(t, f) != 2 {
		t.Fatalf("after one fault: %v, %v, %d stored", err, errs[0], stored(t, f))
	}
	if n := f.Calls(storetest.Append); n != 4 {
		t.Fatalf("counted %d calls, want 4", n)
	}
}

func TestFaulty_FailsEveryMethod(t *testing.T) {
	f := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{}))
	f.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.PutKeys, storetest.Keys, storetest.Lock,
		storetest.Append, storetest.Read, storetest.Confirm, storetest.Expire, storetest.Ceiling, storetest.Ping, storetest.Close)
	ctx, errs := t.Context(), make([]error, 1)
	_, expire := f.Expire(ctx, 1, 1)
	_, ceiling := f.Ceiling(ctx, 1)
	for name, err := range map[string]error{
		"PutKeys": f.PutKeys(ctx, make([]persistence.KeyRecord, 1), errs),
		"Keys":    f.Keys(ctx, make([]protocol.UserID, 1), make([]persistence.KeyRecord, 1), errs),
		"Lock":    f.Lock(ctx, make([]protocol.UserID, 1), errs), "Append": f.Append(ctx, mail(1), errs),
		"Read":    f.Read(ctx, make([]persistence.ReadRequest, 1), make([]persistence.Page, 1)),
		"Confirm": f.Confirm(ctx, make([]persistence.Confirmed, 1), errs),
		"Expire":  expire, "Ceiling": ceiling, "Ping": f.Ping(ctx), "Close": f.Close(),
	} {
		if !errors.Is(err, persistence.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.Heal()
	if err := f.Close(); err != nil {
		t.Fatalf("Close after Heal: %v", err)
	}
}

func TestFaulty_HoldsUntilReleasedOrCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := storetest.NewFaulty(storetest.NewMemory(persistence.Quota{}))
		release := make(chan struct{})
		f.Set(storetest.Fault{Hold: release}, storetest.Append)
		done := make(chan error, 1)
		go func() { done <- f.Append(t.Context(), mail(1), make([]error, 1)) }()
		if err := f.Await(t.Context(), storetest.Append, 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := stored(t, f); n != 0 {
			t.Fatalf("%d stored while held", n)
		}
		close(release)
		if err := <-done; err != nil || stored(t, f) != 1 {
			t.Fatalf("released: %v, %d stored", err, stored(t, f))
		}

		f.Set(storetest.Fault{Delay: time.Hour}, storetest.Append)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Append(ctx, mail(2), make([]error, 1)); !errors.Is(err, persistence.ErrUnavailable) || stored(t, f) != 1 {
			t.Fatalf("cut off before the call: %v, %d stored", err, stored(t, f))
		}
		f.Set(storetest.Fault{Delay: time.Hour, Late: true}, storetest.Append)
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Append(late, mail(2), make([]error, 1)); !errors.Is(err, persistence.ErrUnknownOutcome) || stored(t, f) != 2 {
			t.Fatalf("cut off after the call: %v, %d stored", err, stored(t, f))
		}
		if err := f.Await(late, storetest.Append, 9); err == nil {
			t.Fatal("awaited calls that were not made")
		}
	})
}
