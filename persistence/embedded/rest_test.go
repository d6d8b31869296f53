package embedded_test

import (
	"bytes"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

// At rest the store moves what is only in its log to tables, if that is much and the disk has room; it is all there after.
func TestRest_MovesALongLogToTables(t *testing.T) {
	var free atomic.Int64
	free.Store(math.MaxInt64)
	s := open(t, t.TempDir(), embedded.Options{}.WithFree(func() (int64, error) { return free.Load(), nil }))
	defer s.Close()
	user := protocol.NewUserID([]byte("user"))
	payload := bytes.Repeat([]byte("x"), 64<<10)
	seq, before := uint64(0), s.Tables()
	add := func(n int) {
		t.Helper()
		for range n {
			seq++
			errs := make([]error, 1)
			pending := []persistence.Pending{{To: user, From: user, Seq: seq, Payload: payload, Expires: math.MaxInt64}}
			if err := errors.Join(s.Append(t.Context(), pending, errs), errs[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	rest := func(want error) {
		t.Helper()
		if err := s.Rest(t.Context()); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	add(3)
	rest(nil)
	if n := s.Tables(); n > before {
		t.Fatalf("%d bytes of tables for a short log", n)
	}
	add(30)
	free.Store(1 << 20)
	rest(persistence.ErrFull)
	if n := s.Tables(); n > before {
		t.Fatalf("%d bytes of tables on a full disk", n)
	}
	free.Store(math.MaxInt64)
	rest(nil)
	for s.Tables() == before { // in the background; if it never comes, the test ends by its timeout
		time.Sleep(time.Millisecond)
	}
	pages := make([]persistence.Page, 1)
	requests := []persistence.ReadRequest{{User: user, Count: 100, Bytes: math.MaxInt32}}
	if err := s.Read(t.Context(), requests, pages); err != nil || len(pages[0].Pending) != int(seq) {
		t.Fatalf("%d of %d envelopes read, error %v", len(pages[0].Pending), seq, err)
	}
}
