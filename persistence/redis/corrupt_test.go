package redis_test

import (
	"context"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

func key(name, kind string) string { return "enigma:{" + user(name).String() + "}:" + kind }

func TestRead_CorruptRecordIsNeverMail(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	for name, garbage := range map[string]string{
		"empty": "", "short": "\x01abc", "version": "\x02" + strings.Repeat("x", 100), "checksum": "\x01" + strings.Repeat("\x00", 80),
		"id beyond the end": "\x01" + strings.Repeat("\xff", 60),
	} {
		s.keep(mail(name, 1, 5)...)
		server.Do("LSET", key(name, "q"), "2", garbage)
		p := s.page(persistence.ReadRequest{User: user(name), Count: 10, Bytes: 1 << 20, Now: now})
		if p.Err != nil || len(p.Pending) != 2 || !p.More {
			t.Fatalf("%s: page of %d, more %v, %v", name, len(p.Pending), p.More, p.Err)
		}
		p = s.page(persistence.ReadRequest{User: user(name), After: 2, Count: 10, Bytes: 1 << 20, Now: now})
		s.expect(name+": read from the corrupt one on", p.Err, persistence.ErrCorrupt)
		if len(p.Pending) != 0 || p.More {
			t.Fatalf("%s: page is set beside its error", name)
		}
		s.confirm(name, 2)
		if got := server.Do("LLEN", key(name, "q")); got != int64(3) {
			t.Fatalf("%s: %v left after a confirm of 2 of 5", name, got)
		}
		s.keep(mail(name, 6, 6)...)
		// All of it was received, the corrupt one too, as far as anyone can tell.
		s.confirm(name, 6)
		s.has(name, 1, 0)
	}
}

// TestRead_RecordOfAnotherUserIsCorrupt: a queue that was moved to another key is nobody's mail.
func TestRead_RecordOfAnotherUserIsCorrupt(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	s.keep(mail("bob", 1, 2)...)
	server.Do("RENAME", key("bob", "q"), key("carol", "q"))
	p := s.page(persistence.ReadRequest{User: user("carol"), Count: 10, Bytes: 1 << 20, Now: now})
	s.expect("read", p.Err, persistence.ErrCorrupt)
}

func TestStore_CorruptStateFailsItsUserOnly(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	for _, corrupt := range []func(name string){
		func(name string) { server.Do("HSET", key(name, "u"), "s", "short") },
		func(name string) { server.Do("SET", key(name, "u"), "no hash") },
		func(name string) { server.Do("SET", key(name, "q"), "no list") },
	} {
		server.Do("FLUSHALL")
		s.keep(append(identified(mail("bob", 1, 3)), mail("carol", 1, 1)...)...)
		corrupt("bob")
		errs := s.try(append(mail("bob", 4, 4), mail("carol", 2, 2)...)...)
		s.expect("append", errs[0], persistence.ErrCorrupt)
		s.expect("append of another", errs[1], nil)
		p := s.page(persistence.ReadRequest{User: user("bob"), Count: 10, Bytes: 1 << 20, Now: now})
		s.expect("read", p.Err, persistence.ErrCorrupt)
		s.expect("confirm", s.confirmed("bob", 2), persistence.ErrCorrupt)
		if n, err := s.Expire(context.Background(), later, 10); n != 2 || err != nil {
			t.Fatalf("expire: %d, %v, want carol's 2", n, err)
		}
	}
}

// TestConfirm_WithoutAStateDeletesOnlyWhatItSees: an evicted state must not make a confirm take unseen mail with it.
func TestConfirm_WithoutAStateDeletesOnlyWhatItSees(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, unsynced...)
	s := start(t, server.URL(), redis.Options{})
	s.keep(identified(mail("bob", 1, 600))...)
	server.Do("DEL", key("bob", "u"))
	s.confirm("bob", 300)
	s.has("bob", 301, 600)
	s.confirm("bob", 1000)
	s.has("bob", 1, 0)
}
