package redis_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// TestExpire_WalksALargeKeySpaceInSteps: one call looks at a bounded part, and calls together at all of it.
func TestExpire_WalksALargeKeySpaceInSteps(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	server.Do("EVAL", "for i = 1, 100000 do redis.call('SET', 'other' .. i, 'x') end", "0")
	var batch []persistence.Pending
	for i := range 200 {
		batch = append(batch, mail(fmt.Sprint("user", i), 1, 2)...)
	}
	s.keep(batch...)
	total, calls := 0, 0
	for ; total < 400 && calls < 40; calls++ {
		n, err := s.Expire(context.Background(), later, 75)
		if err != nil || n > 75 {
			t.Fatalf("expire: %d, %v", n, err)
		}
		total += n
	}
	if total != 400 || calls < 6 {
		t.Fatalf("%d expired in %d calls, want 400 in some more than 5", total, calls)
	}
	// What is behind the walk's place is found, too, when the walk has come round.
	s.keep(mail("late", 1, 1)...)
	for total, calls = 0, 0; total == 0 && calls < 8; calls++ {
		n, err := s.Expire(context.Background(), later, 75)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != 1 {
		t.Fatalf("%d expired, want the late one", total)
	}
}

// TestExpire_LongQueueTakesSeveralCallsOnTheServer: each looks at a part, and the bound of what is due stays right.
func TestExpire_LongQueueTakesSeveralCallsOnTheServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	list := identified(mail("bob", 1, 7000))
	want := 0
	for i := range list {
		if i%7 == 3 || i > 6900 {
			list[i].Expires = now + 1
			want++
		}
	}
	s.keep(list...)
	for _, limit := range []int{100, 1 << 20} {
		n, err := s.Expire(context.Background(), now+1, limit)
		if err != nil || n != min(limit, want) {
			t.Fatalf("expire of at most %d: %d, %v, %d are due", limit, n, err, want)
		}
		want -= n
	}
	got := s.seqs("bob")
	for _, seq := range got {
		if i := seq - 1; i%7 == 3 || i > 6900 {
			t.Fatalf("seq %d is still there", seq)
		}
	}
	if n, err := s.Expire(context.Background(), later, 1<<20); err != nil || n != len(got) {
		t.Fatalf("expire of the rest: %d, %v, want %d", n, err, len(got))
	}
	for _, kind := range []string{"q", "i"} {
		if n := server.Do("EXISTS", key("bob", kind)); n != int64(0) {
			t.Fatalf("key %s is left of an empty mailbox", kind)
		}
	}
	s.keep(mail("bob", 6999, 7001)...) // the highest seq has survived
	if got := s.seqs("bob"); len(got) != 1 || got[0] != 7001 {
		t.Fatalf("pending %v, want 7001", got)
	}
}

// TestStore_KeysNeverHaveATimeToLive: by the server's clock nothing may end, which volatile eviction relies on, too.
func TestStore_KeysNeverHaveATimeToLive(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	s.putKey("bob", nil)
	s.keep(identified(mail("bob", 1, 3))...)
	if _, err := s.Ceiling(context.Background(), 5); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{key("bob", "q"), key("bob", "u"), key("bob", "i"), "enigma:ceiling"} {
		if ttl := server.Do("PTTL", k); ttl != int64(-1) {
			t.Errorf("PTTL %s = %v, want -1", k, ttl)
		}
	}
}

// TestRead_ContinuesOverWhatHasExpired: a page is not cut short by what it leaves out.
func TestRead_ContinuesOverWhatHasExpired(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{})
	list := mail("bob", 1, 900)
	for i := range list {
		if i < 700 && i%100 != 99 {
			list[i].Expires = now
		}
	}
	s.keep(list...)
	p := s.page(persistence.ReadRequest{User: user("bob"), Count: 10, Bytes: 1 << 20, Now: now})
	if p.Err != nil || len(p.Pending) != 10 || !p.More || p.Pending[0].Seq != 100 || p.Pending[9].Seq != 703 {
		t.Fatalf("page %+v", p)
	}
	p = s.page(persistence.ReadRequest{User: user("bob"), Count: 1000, Bytes: 1 << 20, Now: later})
	if p.Err != nil || len(p.Pending) != 0 || p.More {
		t.Fatalf("page of what has all expired: %d, more %v, %v", len(p.Pending), p.More, p.Err)
	}
}

// TestExpire_LongQueueKeepsTheBoundOfItsFront: what the last of several looks saw is not all there is.
func TestExpire_LongQueueKeepsTheBoundOfItsFront(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{})
	list := mail("bob", 1, 3000)
	list[5].Expires, list[2999].Expires = now+10, now+1
	s.keep(list...)
	for _, at := range []int64{now + 1, now + 10} {
		if n, err := s.Expire(context.Background(), at, 100); err != nil || n != 1 {
			t.Fatalf("expire at %d: %d, %v, want 1", at-now, n, err)
		}
	}
}
