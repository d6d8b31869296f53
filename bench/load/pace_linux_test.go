package load

import (
	"testing"
	"time"
)

// TestEpoll_WakesAtEveryPace waits for nothing but the pace, several times: what is due would else be sent when
// something happens to come in, and its latency be the generator's.
func TestEpoll_WakesAtEveryPace(t *testing.T) {
	e, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if err := e.pace(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	const long = 10 * time.Second
	begin := time.Now()
	for range 5 {
		if err := e.wait(long); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took >= long {
		t.Errorf("five waits with a pace of a millisecond took %s", took)
	}
}
