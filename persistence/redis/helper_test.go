package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
)

// open opens a store that logs nowhere, for callers who close it.
func open(t testing.TB, url string, opts redis.Options) *redis.Store {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := redis.Open(ctx, url, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// tester is a store under test, with calls that fail the test.
type tester struct {
	testing.TB
	*redis.Store
	timeout time.Duration // of each call
}

// start opens a store that is closed with the test.
func start(t testing.TB, url string, opts redis.Options) *tester {
	t.Helper()
	s := &tester{TB: t, Store: open(t, url, opts), timeout: 5 * time.Second}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func user(name string) protocol.UserID { return protocol.NewUserID([]byte(name)) }

const (
	now   = int64(1_700_000_000_000)
	later = now + 1000_000
)

// mail makes envelopes to one user with the seqs from first to last.
func mail(to string, first, last uint64) []persistence.Pending {
	var list []persistence.Pending
	for seq := first; seq <= last; seq++ {
		list = append(list, persistence.Pending{
			To: user(to), From: user("sender"), Seq: seq, Time: now, Expires: later, Payload: fmt.Appendf(nil, "%s %d", to, seq),
		})
	}
	return list
}

// identified gives each envelope an id that names its seq.
func identified(list []persistence.Pending) []persistence.Pending {
	for i := range list {
		list[i].ID = fmt.Sprint("id", list[i].Seq)
	}
	return list
}

// try appends and returns each item's outcome.
func (s *tester) try(pending ...persistence.Pending) []error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	errs := make([]error, len(pending))
	if err := s.Append(ctx, pending, errs); err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// keep appends and expects success.
func (s *tester) keep(pending ...persistence.Pending) {
	s.Helper()
	for i, err := range s.try(pending...) {
		if err != nil {
			s.Fatalf("append of seq %d: %v", pending[i].Seq, err)
		}
	}
}

// keepAtLast appends until it succeeds, while every failure is one that may pass.
func (s *tester) keepAtLast(pending ...persistence.Pending) {
	s.Helper()
	s.await("append", func() error {
		for _, err := range s.try(pending...) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// await repeats f until it succeeds.
func (s *tester) await(what string, f func() error) {
	s.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		passing := errors.Is(err, persistence.ErrUnavailable) || errors.Is(err, persistence.ErrUnknownOutcome)
		if !passing || time.Now().After(deadline) {
			s.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *tester) page(r persistence.ReadRequest) persistence.Page {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	pages := make([]persistence.Page, 1)
	if err := s.Read(ctx, []persistence.ReadRequest{r}, pages); err != nil {
		pages[0].Err = err
	}
	return pages[0]
}

// seqs are those a user has pending.
func (s *tester) seqs(name string) []uint64 {
	s.Helper()
	p := s.page(persistence.ReadRequest{User: user(name), Count: 1 << 20, Bytes: 1 << 40, Now: now})
	if p.Err != nil || p.More {
		s.Fatalf("read of %s: %v, more: %v", name, p.Err, p.More)
	}
	list := []uint64{}
	for i := range p.Pending {
		list = append(list, p.Pending[i].Seq)
	}
	return list
}

// has expects that a user's pending seqs are those from first to last.
func (s *tester) has(name string, first, last uint64) {
	s.Helper()
	want := []uint64{}
	for seq := first; seq <= last; seq++ {
		want = append(want, seq)
	}
	if got := s.seqs(name); fmt.Sprint(got) != fmt.Sprint(want) {
		s.Fatalf("%s has %v, want %d to %d", name, got, first, last)
	}
}

func (s *tester) confirmed(name string, seq uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	errs := make([]error, 1)
	return errors.Join(s.Confirm(ctx, []persistence.Confirmed{{User: user(name), Seq: seq}}, errs), errs[0])
}

func (s *tester) confirm(name string, seq uint64) {
	s.Helper()
	if err := s.confirmed(name, seq); err != nil {
		s.Fatalf("confirm of %s up to %d: %v", name, seq, err)
	}
}

// expect fails the test unless err is want.
func (s *tester) expect(what string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// logged collects log lines.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
