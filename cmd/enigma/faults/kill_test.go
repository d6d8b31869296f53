package faults_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// stores names the stores that keep mail over a kill, and makes a fresh one of each.
var stores = map[string]func(t *testing.T) string{
	"embedded": func(t *testing.T) string { return t.TempDir() },
	"redis":    func(t *testing.T) string { return redistest.Start(t).URL() },
}

// TestKill_LosesNothingAcknowledged kills the server under load, again and again, at moments of chance: while batches
// are being stored, while mailboxes are being read, soon after the start.
func TestKill_LosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, append([]string{"--store", store(t)}, roomy...)...)
			l := newLoad(t, s, usual)
			l.start()
			for range enigmatest.Pick(3, 100) {
				time.Sleep(time.Duration(100+rand.IntN(1400)) * time.Millisecond)
				s.Kill()
				s.start()
			}
			time.Sleep(500 * time.Millisecond)
			l.check()
		})
	}
}
