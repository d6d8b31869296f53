package redis_test

import (
	"fmt"
	"testing"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// TestRead_FindsEveryPlace reads after every seq there is and every one between, wherever the gaps are.
func TestRead_FindsEveryPlace(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{})
	for name, all := range map[string][]uint64{
		"none": {4, 5, 6, 7, 8, 9}, "at the end": {1, 2, 3, 4, 90}, "at the start": {1, 70, 71, 72},
		"in the middle": {1, 2, 3, 40, 41, 42}, "everywhere": {3, 7, 8, 20, 21, 60, 90, 91}, "one": {5}, "two": {2, 30},
	} {
		var list []persistence.Pending
		for _, seq := range all {
			list = append(list, mail(name, seq, seq)...)
		}
		s.keep(list...)
		for after := range uint64(93) {
			p := s.page(persistence.ReadRequest{User: user(name), After: after, Count: 100, Bytes: 1 << 20, Now: now})
			if p.Err != nil {
				t.Fatal(p.Err)
			}
			var got, want []uint64
			for i := range p.Pending {
				got = append(got, p.Pending[i].Seq)
			}
			for _, seq := range all {
				if seq > after {
					want = append(want, seq)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("gaps %s, after %d: got %v, want %v", name, after, got, want)
			}
		}
	}
}

// TestRead_MoreIsExact: draining need not ask again for a page that happens to end with the mailbox.
func TestRead_MoreIsExact(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{})
	s.keep(mail("bob", 1, 10)...)
	for count, more := range map[int]bool{9: true, 10: false, 11: false} {
		p := s.page(persistence.ReadRequest{User: user("bob"), Count: count, Bytes: 1 << 20, Now: now})
		if p.Err != nil || p.More != more {
			t.Errorf("count %d of 10: more %v, %v", count, p.More, p.Err)
		}
	}
}

// TestConfirm_LargePartOfALongQueue takes several calls on the server.
func TestConfirm_LargePartOfALongQueue(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{Quota: persistence.Quota{Messages: 7000}})
	s.keep(identified(mail("bob", 1, 7000))...)
	s.confirm("bob", 6500)
	s.has("bob", 6501, 7000)
	errs := s.try(identified(mail("bob", 7001, 13501))...)
	s.expect("append to the quota", errs[6499], nil)
	s.expect("append over the quota", errs[6500], persistence.ErrQuota)
}
