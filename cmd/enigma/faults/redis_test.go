package faults_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// newRedisOutage starts a server on a Redis, and the load.
func newRedisOutage(t *testing.T) (*outage, *redistest.Server) {
	t.Helper()
	redis := redistest.Start(t)
	return newOutage(t, "--store", redis.URL()), redis
}

// TestRedis_KilledUnderLoad kills the store, not the server, and starts it again.
func TestRedis_KilledUnderLoad(t *testing.T) {
	t.Parallel()
	o, redis := newRedisOutage(t)
	for round := range enigmatest.Pick(2, 50) {
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		redis.Kill()
		o.bites("STORE_UNAVAILABLE")
		if round == 0 {
			o.refusesStrangers()
		}
		redis.Restart()
		o.heals()
	}
	o.check()
}

// TestRedis_PausedUnderLoad stops the store with its connections open: what it was sent it executes when it goes on,
// long after everybody has given up on it.
func TestRedis_PausedUnderLoad(t *testing.T) {
	t.Parallel() // it mostly waits
	o, redis := newRedisOutage(t)
	for range enigmatest.Pick(1, 5) {
		redis.Pause()
		begin := time.Now()
		o.bites("STORE_UNAVAILABLE")
		o.refusesStrangers()
		time.Sleep(time.Until(begin.Add(enigmatest.Pick(4*time.Second, 30*time.Second))))
		redis.Resume()
		o.heals()
	}
	o.check()
}

// TestRedis_FullUnderLoad takes the store's memory away. Mail is refused; what is stored can still be read and
// confirmed.
func TestRedis_FullUnderLoad(t *testing.T) {
	t.Parallel()
	o, redis := newRedisOutage(t)
	for round := range enigmatest.Pick(2, 50) {
		reader := o.fillReader(round)
		redis.Do("CONFIG", "SET", "maxmemory", "1mb")
		o.bites("STORE_FULL")
		for _, want := range []int{stock, 0} {
			if got := o.reads(reader); got != want {
				t.Errorf("%d messages came while the store was full, want %d", got, want)
			}
		}
		o.comesAndGoes(o.load.away[0])
		o.refusesKeys(http.StatusInsufficientStorage, "STORE_FULL")
		redis.Do("CONFIG", "SET", "maxmemory", "0")
		o.heals()
	}
	o.check()
}
