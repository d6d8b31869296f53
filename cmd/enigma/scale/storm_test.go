package scale_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// TestStorm_EverybodyComesBackAtOnce drops all connections and has all users connect again at the same time, twice, and
// then restarts the server under them.
func TestStorm_EverybodyComesBackAtOnce(t *testing.T) {
	t.Parallel()
	n := enigmatest.Pick(5000/slowdown, 15_000)
	store := t.TempDir()
	s := enigmatest.Start(t, "--store", store)
	c := newCrowd(t, s, "storm", n)
	c.connect(s, 0, n, atOnce)
	c.everyoneGetsOne("calm")
	before := s.OpenFiles()
	for _, round := range []string{"first", "second"} {
		c.leave(0, n)
		c.gone()
		c.connect(s, 0, n, n)
		c.everyoneGetsOne(round)
	}
	await(t, "the old connections are gone", func() (float64, bool) {
		files := s.OpenFiles()
		return float64(files), files <= before+slack
	})
	s.ExpectStatus(0)
	s.Signal(syscall.SIGTERM)
	c.gone()
	if status := s.Wait(); status != 0 {
		t.Fatalf("exit status %d\n%s", status, s.Log())
	}
	c.judgeFarewell()
	s = enigmatest.Start(t, "--store", store, "--listen", s.Addr)
	c.connect(s, 0, n, n)
	c.everyoneGetsOne("restarted")
}

// slack is by how many files a process may differ from one moment to another: those of the store, of whoever looks at
// the metrics.
const slack = 30

// judgeFarewell looks at what the members were told when the server stopped: when to come again, each at a time of its
// own.
func (c *crowd) judgeFarewell() {
	c.t.Helper()
	var times []int64
	for _, m := range c.members {
		m.mu.Lock()
		if m.back > 0 {
			times = append(times, m.back)
		}
		m.mu.Unlock()
	}
	if len(times) < len(c.members)*99/100 {
		c.t.Errorf("%d of %d users were told when to come again", len(times), len(c.members))
	}
	if len(times) < 100 {
		return
	}
	slices.Sort(times)
	c.t.Logf("told to come again after %d to %d ms, half of them within %d", times[0], times[len(times)-1], times[len(times)/2])
	// In no tenth of the time are more than three times as many as if they were spread evenly.
	span := times[len(times)-1] - times[0]
	var tenths [10]int
	for _, ms := range times {
		tenths[(ms-times[0])*10/(span+1)]++
	}
	if most := slices.Max(tenths[:]); most > len(times)*3/10 {
		c.t.Errorf("they are not spread evenly: %v in each tenth of %d ms", tenths, span)
	}
}
