package redis_test

import (
	"context"
	"errors"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// TestStore_FullRedisRefusesAppendsAndGoesOnWithTheRest fills a small Redis with large mail.
func TestStore_FullRedisRefusesAppendsAndGoesOnWithTheRest(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		server := redistest.Start(t, append(args, "--maxmemory", "12mb")...)
		s := start(t, server.URL(), redis.Options{})
		s.putKey("alice", nil)
		seq, refused := uint64(1), error(nil)
		for ; refused == nil; seq++ {
			if seq > 1000 {
				t.Fatal("never full")
			}
			batch := append(mail("bob", seq, seq), mail("carol", seq, seq)...)
			for i := range batch {
				batch[i].Payload = make([]byte, 128<<10)
			}
			for _, err := range s.try(batch...) {
				refused = errors.Join(refused, err)
			}
		}
		s.expect("append", refused, persistence.ErrFull)
		server.Do("CONFIG", "SET", "maxmemory", "8mb") // what was refused was large: leave no room for what is small
		s.putKey("dave", persistence.ErrFull)
		s.putKey("alice", nil) // known: there is nothing to store
		s.lockUser("alice")
		if _, err := s.Ceiling(context.Background(), 7); err != nil {
			t.Fatalf("ceiling: %v", err)
		}
		before := s.seqs("bob")
		s.confirm("bob", before[0])
		if after := s.seqs("bob"); len(after) != len(before)-1 {
			t.Fatalf("%d pending after a confirm of one of %d", len(after), len(before))
		}
		errs := make([]error, 2) // two at once travel in a transaction, which a full Redis refuses
		both := []persistence.Confirmed{{User: user("bob"), Seq: before[1]}, {User: user("carol"), Seq: 1}}
		if err := s.Confirm(context.Background(), both, errs); errors.Join(err, errs[0], errs[1]) != nil {
			t.Fatalf("confirm of two users: %v, %v", err, errs)
		}
		if n, err := s.Expire(context.Background(), later, 1<<20); err != nil || n == 0 {
			t.Fatalf("expire: %d, %v", n, err)
		}
		s.keepAtLast(mail("bob", seq, seq)...)
		s.putKey("dave", nil)
	})
}

// TestExpire_WorksInTheMiddleOfAQueueWhenFull: what has expired lies behind what has not.
func TestExpire_WorksInTheMiddleOfAQueueWhenFull(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		server := redistest.Start(t, args...)
		s := start(t, server.URL(), redis.Options{})
		list := identified(mail("bob", 1, 300))
		for i := range list {
			if i%3 == 1 {
				list[i].Expires = now + 1
			}
		}
		s.keep(list...)
		server.Do("CONFIG", "SET", "maxmemory", "1")
		if n, err := s.Expire(context.Background(), now+1, 1000); err != nil || n != 100 {
			t.Fatalf("expire: %d, %v, want 100", n, err)
		}
		for _, seq := range s.seqs("bob") {
			if seq%3 == 2 {
				t.Fatalf("seq %d is still there", seq)
			}
		}
	})
}

// TestAppend_RetryOfWhatWasKeptSucceedsWhenFull: "full" says that nothing was kept, which an earlier attempt with a
// lost reply may have done.
func TestAppend_RetryOfWhatWasKeptSucceedsWhenFull(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		server := redistest.Start(t, args...)
		proxy := redistest.StartProxy(t, server.Addr)
		s := start(t, proxy.URL(), redis.Options{Quota: persistence.Quota{Messages: 5}})
		s.keep(identified(mail("dave", 1, 1))...)
		proxy.CutReplies()
		batch := append(mail("bob", 1, 2), identified(mail("carol", 1, 2))...)
		for _, err := range s.try(batch...) {
			s.expect("append", err, persistence.ErrUnknownOutcome)
		}
		proxy.Pass()
		server.Do("CONFIG", "SET", "maxmemory", "1")
		s.keepAtLast(batch...)
		repeat := identified(mail("dave", 2, 2))
		repeat[0].ID, repeat[0].Payload = "id1", identified(mail("dave", 1, 1))[0].Payload
		batch = append(mail("bob", 2, 4), repeat...)
		want := []error{nil, persistence.ErrFull, persistence.ErrFull, persistence.ErrDuplicate}
		for i, err := range s.try(batch...) {
			s.expect("append", err, want[i])
		}
		// Over the quota is over the quota, whether full or not.
		s.expect("append", s.try(mail("bob", 2, 6)...)[4], persistence.ErrFull)
		s.has("bob", 1, 2)
		server.Do("CONFIG", "SET", "maxmemory", "0")
		s.keep(mail("bob", 2, 5)...)
		s.has("bob", 1, 5)
		server.Do("CONFIG", "SET", "maxmemory", "1")
		s.expect("append", s.try(mail("bob", 6, 6)...)[0], persistence.ErrQuota)
	})
}

func (s *tester) putKey(name string, want error) {
	s.Helper()
	errs := make([]error, 1)
	records := []persistence.KeyRecord{{User: user(name), Key: []byte(name)}}
	err := errors.Join(s.PutKeys(context.Background(), records, errs), errs[0])
	s.expect("put key of "+name, err, want)
}

func (s *tester) lockUser(name string) {
	s.Helper()
	errs := make([]error, 1)
	err := errors.Join(s.Lock(context.Background(), []protocol.UserID{user(name)}, errs), errs[0])
	s.expect("lock of "+name, err, nil)
	records := make([]persistence.KeyRecord, 1)
	err = errors.Join(s.Keys(context.Background(), []protocol.UserID{user(name)}, records, errs), errs[0])
	if err != nil || !records[0].Locked {
		s.Fatalf("%s is not locked: %+v, %v", name, records[0], err)
	}
}
