package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// both runs a test with functions and with plain scripts.
func both(t *testing.T, f func(t *testing.T, args ...string)) {
	t.Run("functions", func(t *testing.T) { t.Parallel(); f(t) })
	t.Run("scripts", func(t *testing.T) { t.Parallel(); f(t, "--rename-command", "FUNCTION", "") })
}

func TestAppend_LostReplyIsAnUnknownOutcome(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		server := redistest.Start(t, args...)
		proxy := redistest.StartProxy(t, server.Addr)
		direct := start(t, server.URL(), redis.Options{})
		s := start(t, proxy.URL(), redis.Options{})
		s.keep(mail("bob", 1, 1)...)
		proxy.CutReplies()
		for _, err := range s.try(append(mail("bob", 2, 3), mail("carol", 1, 1)...)...) {
			s.expect("append whose reply was lost", err, persistence.ErrUnknownOutcome)
		}
		direct.has("bob", 1, 3) // it happened
		s.expect("append that could not connect", s.try(mail("bob", 4, 4)...)[0], persistence.ErrUnavailable)
		proxy.Pass()
		s.await("ping", func() error { return s.Ping(context.Background()) })
		proxy.CutReplies()
		s.expect("confirm whose reply was lost", s.confirmed("bob", 1), persistence.ErrUnknownOutcome)
		proxy.Pass()
		s.keepAtLast(append(mail("bob", 2, 3), mail("carol", 1, 1)...)...)
		s.confirm("bob", 1)
		s.has("bob", 2, 3)
		s.has("carol", 1, 1)
	})
}

func TestAppend_ExecutedAfterItsRetryAndConfirmChangesNothing(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		server := redistest.Start(t, args...)
		proxy := redistest.StartProxy(t, server.Addr)
		s := start(t, proxy.URL(), redis.Options{})
		s.keep(mail("bob", 1, 1)...)
		late := append(identified(mail("bob", 2, 4)), mail("carol", 1, 1)...)
		proxy.Hold()
		s.timeout = 200 * time.Millisecond
		for _, err := range s.try(late...) {
			s.expect("append that was held up", err, persistence.ErrUnknownOutcome)
		}
		s.timeout = 5 * time.Second
		proxy.Pass()
		s.keepAtLast(late...)
		s.has("bob", 1, 4)
		s.confirm("bob", 3)
		s.confirm("carol", 1)
		proxy.Release() // now the first attempt is executed
		s.has("bob", 4, 4)
		s.has("carol", 1, 0)
		if errs := s.try(identified(mail("bob", 5, 5))...); errs[0] != nil {
			t.Fatal(errs[0])
		}
		s.has("bob", 4, 5)
	})
}

func TestStore_RefusedConnectionMeansThatNothingHappened(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := start(t, server.URL(), redis.Options{})
	s.keep(mail("bob", 1, 1)...)
	server.Kill()
	s.await("the broken link to be noticed", func() error {
		if err := s.try(mail("bob", 2, 2)...)[0]; errors.Is(err, persistence.ErrUnknownOutcome) {
			return err // it was written to a socket whose other end had gone
		}
		return nil
	})
	for what, err := range map[string]error{
		"append": s.try(mail("bob", 2, 2)...)[0], "confirm": s.confirmed("bob", 1), "ping": s.Ping(context.Background()),
		"read": s.page(persistence.ReadRequest{User: user("bob"), Count: 1, Bytes: 1}).Err,
	} {
		s.expect(what, err, persistence.ErrUnavailable)
	}
	server.Restart()
	s.keepAtLast(mail("bob", 2, 2)...)
	s.has("bob", 1, 2)
}

func TestStore_SilentServerIsUnknownForWhatWasSentAndUnavailableForTheRest(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := start(t, server.URL(), redis.Options{DialTimeout: 200 * time.Millisecond})
	s.keep(mail("bob", 1, 1)...)
	server.Pause()
	s.timeout = 300 * time.Millisecond
	began := time.Now()
	s.expect("append that was sent", s.try(mail("bob", 2, 2)...)[0], persistence.ErrUnknownOutcome)
	// The next one needs a connection, which the kernel accepts and nobody greets.
	s.expect("append without a connection", s.try(mail("bob", 3, 3)...)[0], persistence.ErrUnavailable)
	s.expect("read", s.page(persistence.ReadRequest{User: user("bob"), Count: 1, Bytes: 1}).Err, persistence.ErrUnavailable)
	if spent := time.Since(began); spent > 3*time.Second {
		t.Fatalf("three calls took %v with deadlines of 300 ms", spent)
	}
	server.Resume()
	s.timeout = 5 * time.Second
	s.keepAtLast(mail("bob", 2, 3)...)
	s.has("bob", 1, 3)
}

func TestStore_CallTimeoutBoundsCallsWithoutADeadline(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := start(t, server.URL(), redis.Options{CallTimeout: 200 * time.Millisecond})
	server.Pause()
	defer server.Resume()
	errs := make([]error, 1)
	began := time.Now()
	if err := s.Append(context.Background(), mail("bob", 1, 1), errs); err != nil {
		t.Fatal(err)
	}
	s.expect("append", errs[0], persistence.ErrUnknownOutcome)
	if spent := time.Since(began); spent > 2*time.Second {
		t.Fatalf("took %v", spent)
	}
}

// TestStore_KilledServerHasAllThatWasAcknowledged kills the server in the middle of appends, several times.
func TestStore_KilledServerHasAllThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := start(t, server.URL(), redis.Options{})
	s.timeout = time.Second
	next, acked := uint64(1), uint64(0)
	for round := range 4 {
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(time.Duration(20+30*round) * time.Millisecond) // some way into the appends below
			server.Kill()
		}()
		for failed := false; !failed; next += 10 {
			for i, err := range s.try(mail("bob", next, next+9)...) {
				if err != nil {
					failed = true
					break
				}
				acked = next + uint64(i)
			}
		}
		<-killed
		server.Restart()
		s.await("read", func() error { return s.page(persistence.ReadRequest{User: user("bob"), Count: 1, Bytes: 1}).Err })
		// What failed may be there or not, as a prefix; what was acknowledged must be.
		got := s.seqs("bob")
		for i, seq := range got {
			if seq != uint64(i+1) {
				t.Fatalf("round %d: gap before seq %d", round, seq)
			}
		}
		if uint64(len(got)) < acked {
			t.Fatalf("round %d: %d acknowledged, %d there", round, acked, len(got))
		}
		next = uint64(len(got)) + 1
	}
}
