package redis_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

func TestStore_LoadsItsCodeAgainWhenTheServerForgotIt(t *testing.T) {
	for name, forget := range map[string][]string{
		"functions": {"FUNCTION", "FLUSH", "SYNC"},
		"scripts":   {"SCRIPT", "FLUSH", "SYNC"},
		"data":      {"FLUSHALL", "SYNC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			if name == "scripts" {
				args = []string{"--rename-command", "FCALL", ""}
			}
			server := redistest.Start(t, args...)
			s := start(t, server.URL(), redis.Options{})
			s.keep(mail("bob", 1, 2)...)
			calls := []func(){
				func() { s.keep(append(mail("bob", 3, 4), mail("carol", 3, 3)...)...) },
				func() { s.keep(mail("bob", 5, 5)...) },
				func() { s.confirm("bob", 3) },
				func() { s.seqs("bob") },
				func() { s.putKey("bob", nil); s.lockUser("bob") },
				func() {
					if _, err := s.Ceiling(context.Background(), 3); err != nil {
						t.Fatal(err)
					}
				},
				func() {
					if _, err := s.Expire(context.Background(), later, 100); err != nil {
						t.Fatal(err)
					}
				},
			}
			for _, call := range calls {
				server.Do(forget...)
				call()
			}
		})
	}
}

// TestStore_VersionsWorkSideBySide: another version's library is on the server, and stays.
// Another user of the server, who may touch no key but load functions, has put code of its own under our names.
func TestOpen_DoesNotRunTheCodeOfOthers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	if err := open(t, server.URL(), redis.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	fields := server.Do("FUNCTION", "LIST", "WITHCODE").([]any)[0].([]any)
	code := fields[len(fields)-1].(string)
	code = regexp.MustCompile(`callback=\w+`).ReplaceAllString(code, "callback=function() return '1' end")
	server.Do("FUNCTION", "LOAD", "REPLACE", code)
	s := start(t, server.URL(), redis.Options{})
	s.keep(mail("bob", 1, 2)...)
	s.has("bob", 1, 2)
}

func TestStore_VersionsWorkSideBySide(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("FUNCTION", "LOAD", "#!lua name=enigma_00000000\nredis.register_function('enigma_append_00000000', function() return 1 end)")
	start(t, server.URL(), redis.Options{}).keep(mail("bob", 1, 1)...)
	start(t, server.URL(), redis.Options{}).keep(mail("bob", 2, 2)...) // the library is there already
	if n := len(server.Do("FUNCTION", "LIST").([]any)); n != 2 {
		t.Fatalf("%d libraries, want 2", n)
	}
	if got := server.Do("FCALL", "enigma_append_00000000", "0"); got != int64(1) {
		t.Fatalf("the other version answers %v", got)
	}
}

func TestOpen_FallsBackToScriptsWhereFunctionsAreForbidden(t *testing.T) {
	for _, rule := range []string{"-function", "-fcall"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			server.Do("ACL", "SETUSER", "app", "on", ">p@ss", "~enigma:*", "+@all", rule)
			s := start(t, "redis://app:p%40ss@"+server.Addr, redis.Options{})
			s.keep(append(mail("bob", 1, 3), mail("carol", 1, 1)...)...)
			s.confirm("bob", 1)
			s.has("bob", 2, 3)
			if calls := server.Do("INFO", "commandstats").(string); !strings.Contains(calls, "cmdstat_evalsha:") {
				t.Fatal("no script was called")
			}
		})
	}
}

// TestOpen_NeedsFewPermissions holds what the package comment says an account must be allowed.
func TestOpen_NeedsFewPermissions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rules := []string{"ACL", "SETUSER", "app", "on", ">secret", "~enigma:*", "-@all"}
	server.Do(append(rules, strings.Fields(minimalPermissions)...)...)
	s := start(t, "redis://app:secret@"+server.Addr, redis.Options{})
	s.putKey("bob", nil)
	s.lockUser("bob")
	s.keep(append(identified(mail("bob", 1, 3)), mail("carol", 1, 1)...)...)
	s.confirm("bob", 1)
	s.has("bob", 2, 3)
	if n, err := s.Expire(context.Background(), later, 100); err != nil || n != 3 {
		t.Fatalf("expire: %d, %v", n, err)
	}
	s.expect("ping", s.Ping(context.Background()), nil)
}

const minimalPermissions = "+@hash +@list +get +set +persist +unlink +scan +multi +exec +function|load +fcall +ping"

// TestStore_WorksWhereTransactionsAreForbidden: a batch is then a plain pipeline.
func TestStore_WorksWhereTransactionsAreForbidden(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, "--rename-command", "MULTI", "").URL(), redis.Options{})
	s.keep(append(mail("bob", 1, 3), mail("carol", 1, 1)...)...)
	s.keep(append(mail("bob", 3, 5), mail("carol", 2, 2)...)...)
	s.has("bob", 1, 5)
	s.has("carol", 1, 2)
}

func TestOpen_FailsPlainly(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "right")
	for url, part := range map[string]string{
		"redis://127.0.0.1:1":                            "refused",
		"redis://" + server.Addr:                         "NOAUTH",
		"redis://:wrong-secret@" + server.Addr:           "WRONGPASS",
		"redis://:right@" + server.Addr + ",127.0.0.1:1": "several hosts mean a cluster",
		"redis+sentinel://" + server.Addr + "/mail":      "NOAUTH",
	} {
		store, err := redis.Open(context.Background(), url, redis.Options{})
		if err == nil {
			store.Close()
			t.Fatalf("%s: opened", url)
		}
		if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q and no password", url, err, part)
		}
	}
}

// TestAppend_SplitsWhatIsTooMuchForOneCall: the quota and the order hold across the calls of one batch.
func TestAppend_SplitsWhatIsTooMuchForOneCall(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		s := start(t, redistest.Start(t, args...).URL(), redis.Options{Quota: persistence.Quota{Bytes: 25_000}})
		list := mail("bob", 1, 3000)
		for i := range list {
			list[i].Payload = make([]byte, 10)
		}
		list[1500].Payload = make([]byte, 24_000) // over the quota, as all of the user's that follow but the accepted
		list[2900].Accepted = true
		batch := append(mail("carol", 1, 1), list...)
		batch = append(batch, mail("dave", 1, 1)...)
		for i, err := range s.try(batch...) {
			var want error
			if seq := batch[i].Seq; batch[i].To == user("bob") && seq > 1500 && seq != 2901 {
				want = persistence.ErrQuota
			}
			s.expect(fmt.Sprint("envelope ", i), err, want)
		}
		if got := s.seqs("bob"); len(got) != 1501 || got[1500] != 2901 {
			t.Fatalf("%d pending, the last %d", len(got), got[len(got)-1])
		}
	})
}

func TestAppend_SplitsLargePayloads(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{})
	list := mail("bob", 1, 80) // 10 MiB
	for i := range list {
		list[i].Payload = make([]byte, 128<<10)
		list[i].Payload[0] = byte(i)
	}
	s.keep(list...)
	p := s.page(persistence.ReadRequest{User: user("bob"), Count: 256, Bytes: 1 << 20, Now: now})
	if p.Err != nil || len(p.Pending) != 8 || !p.More {
		t.Fatalf("page of %d of 128 KiB for 1 MiB, more: %v, %v", len(p.Pending), p.More, p.Err)
	}
	s.has("bob", 1, 80)
	s.confirm("bob", 70)
	s.has("bob", 71, 80)
}

// TestAppend_RefusesWhatCannotBeStored: a caller's mistake ends its user's part of the batch, and no other's.
func TestAppend_RefusesWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Start(t, unsynced...).URL(), redis.Options{})
	batch := append(mail("bob", 1, 4), mail("carol", 1, 1)...)
	batch[1].ID = strings.Repeat("x", 256)
	errs := s.try(batch...)
	for i, refused := range []bool{false, true, true, true, false} {
		if (errs[i] != nil) != refused {
			t.Fatalf("envelope %d: %v", i, errs[i])
		}
	}
	if err := s.try(mail("bob", 1<<53, 1<<53)...)[0]; err == nil {
		t.Fatal("a seq of 2^53 was stored")
	}
	s.has("bob", 1, 1)
}

// TestStore_RefusalsThatPassAreUnavailable: nothing has happened, and it works again when the cause has gone.
func TestStore_RefusalsThatPassAreUnavailable(t *testing.T) {
	both(t, func(t *testing.T, args ...string) {
		server := redistest.Start(t, args...)
		s := start(t, server.URL(), redis.Options{})
		s.keep(mail("bob", 1, 1)...)
		server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
		for _, batch := range [][]persistence.Pending{mail("bob", 2, 2), append(mail("bob", 2, 2), mail("carol", 1, 1)...)} {
			for _, err := range s.try(batch...) {
				if s.expect("append", err, persistence.ErrUnavailable); !strings.Contains(err.Error(), "NOREPLICAS") {
					t.Fatalf("append: %v, want NOREPLICAS", err)
				}
			}
		}
		s.expect("confirm", s.confirmed("bob", 1), persistence.ErrUnavailable)
		s.has("bob", 1, 1)
		server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
		s.keep(append(mail("bob", 2, 2), mail("carol", 1, 1)...)...)
		s.confirm("bob", 1)
		s.has("bob", 2, 2)
	})
}
