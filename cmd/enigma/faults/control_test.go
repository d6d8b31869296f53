package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/ledger"
	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// The tests in this file have the same load and the same judge as those of the faults, and something in between that
// breaks a promise. They pass if the judge says so.

// TestControl_StoresThatForgetAreFound kills a server whose store is its own memory, and a Redis that writes nothing to
// the disk. What was acknowledged is gone.
func TestControl_StoresThatForgetAreFound(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, append([]string{"--store", "memory"}, roomy...)...)
		l := newLoad(t, s, usual)
		l.start()
		time.Sleep(500 * time.Millisecond)
		s.Kill()
		s.start()
		expectLoss(t, l)
	})
	t.Run("redis without a file", func(t *testing.T) {
		t.Parallel()
		redis := redistest.Start(t, "--appendonly", "no")
		s := newSite(t, append([]string{"--store", redis.URL()}, roomy...)...)
		l := newLoad(t, s, usual)
		l.book.MayRefuse()
		l.start()
		time.Sleep(500 * time.Millisecond)
		s.Kill()
		redis.Kill()
		redis.Restart()
		s.start()
		expectLoss(t, l)
	})
}

// expectLoss logs the users in again, whom the store has forgotten too, and wants messages of theirs to be missing.
func expectLoss(t *testing.T, l *load) {
	t.Helper()
	for name, n := range map[string]int{"steady": usual.steady, "flapping": usual.flapping, "away": usual.away} {
		l.site.login(name, n)
	}
	l.settle()
	v := l.finish()
	t.Log(v)
	if v.Lost == 0 {
		t.Error("the judge has not found the loss")
	}
	if v.Altered+v.Misdelivered+v.Invented > 0 {
		t.Error("the judge has found what was not there")
	}
}

// meddler is a proxy that breaks a promise once in a while.
type meddler struct {
	do func(m *meddler, to string, d wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame)

	mu     sync.Mutex
	count  int
	times  int                   // that it has meddled
	caught map[string]wire.Frame // by recipient
}

// everyNth is how often it meddles with what it could.
const everyNth = 40

// tap is the proxy's part on the connection of one user.
func (m *meddler) tap(path string) wire.Tap {
	user := strings.TrimPrefix(path, "/ws/")
	return func(d wire.Direction, raw wire.Frame) (on, back []wire.Frame) {
		var f v1Frame
		if raw.Op != wire.Text || json.Unmarshal(raw.Payload, &f) != nil {
			return []wire.Frame{raw}, nil
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		on, back = m.do(m, user, d, &f, raw)
		return on, back
	}
}

// turn says whether it is time to meddle.
func (m *meddler) turn() bool {
	if m.count++; m.count%everyNth != 0 {
		return false
	}
	m.times++
	return true
}

// meddlers are what can go wrong between a sender and a recipient, each with the fault that must be found.
var meddlers = map[string]struct {
	do   func(m *meddler, user string, d wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame)
	want func(v *ledger.Verdict) int
}{
	"acknowledges and drops": {func(m *meddler, _ string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type == "send" && m.turn() {
			return nil, []wire.Frame{(&v1Frame{Type: "ack", ID: f.ID, To: f.To}).wire()}
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Lost }},

	"drops what is delivered": {func(m *meddler, _ string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type == "message" && m.turn() {
			return nil, nil // the next recv confirms it
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Lost }},

	"swaps what is sent": {func(m *meddler, user string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		key := user + f.To
		if held, ok := m.caught[key]; ok && f.Type == "send" {
			delete(m.caught, key)
			return []wire.Frame{raw, held}, nil
		}
		if f.Type == "send" && m.turn() {
			m.caught[key] = raw
			return nil, nil
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Reordered }},

	"duplicates with another payload": {func(m *meddler, _ string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type == "message" && m.turn() {
			again := *f
			again.Payload += "y"
			return []wire.Frame{raw, again.wire()}, nil
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Altered }},

	"rewrites a payload": {func(m *meddler, _ string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type == "send" && m.turn() {
			f.Payload = strings.ToUpper(f.Payload)
			return []wire.Frame{f.wire()}, nil
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Altered }},

	"delivers to another": {func(m *meddler, user string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type != "message" {
			return []wire.Frame{raw}, nil
		}
		for other, held := range m.caught {
			if other != user {
				delete(m.caught, other)
				return []wire.Frame{raw, held}, nil
			}
		}
		if m.turn() {
			m.caught[user] = raw
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Misdelivered }},

	"readdresses": {func(m *meddler, user string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type == "send" && f.To != user && m.turn() {
			readdressed := *f
			readdressed.To = user
			return []wire.Frame{readdressed.wire()}, []wire.Frame{(&v1Frame{Type: "ack", ID: f.ID, To: f.To}).wire()}
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Misdelivered }},

	"makes messages up": {func(m *meddler, _ string, _ wire.Direction, f *v1Frame, raw wire.Frame) (on, back []wire.Frame) {
		if f.Type == "message" && m.turn() {
			again := *f
			again.ID = fmt.Sprint("made up ", m.times)
			return []wire.Frame{raw, again.wire()}, nil
		}
		return []wire.Frame{raw}, nil
	}, func(v *ledger.Verdict) int { return v.Invented }},
}

// TestControl_MeddlersAreFound puts each of them between the users and a server that does everything right.
func TestControl_MeddlersAreFound(t *testing.T) {
	t.Parallel()
	s := newSite(t, roomy...)
	for name, meddling := range meddlers {
		t.Run(name, func(t *testing.T) {
			m := &meddler{do: meddling.do, caught: make(map[string]wire.Frame)}
			proxy := wire.StartProxy(t, s.address, m.tap)
			l := newLoad(t, s, crowd{name: name, steady: 3, away: 1, rate: 2000, size: 100})
			l.addr = func() string { return proxy.Addr }
			l.start()
			await(t, "it has meddled some times", func() bool {
				m.mu.Lock()
				defer m.mu.Unlock()
				return m.times >= 20
			})
			l.stop() // some of them wait in vain for an answer
			l.addr = s.address
			v := l.finish()
			t.Logf("meddled with %d times; found:\n%s", m.times, v)
			if m.times == 0 || meddling.want(v) == 0 {
				t.Error("the judge has not found it")
			}
		})
	}
}

// TestControl_AnHonestProxyIsNotAccused shows that it is not the proxy itself that is found.
func TestControl_AnHonestProxyIsNotAccused(t *testing.T) {
	t.Parallel()
	s := newSite(t, roomy...)
	proxy := wire.StartProxy(t, s.address, func(string) wire.Tap {
		return func(_ wire.Direction, f wire.Frame) (on, back []wire.Frame) { return []wire.Frame{f}, nil }
	})
	l := newLoad(t, s, usual)
	l.addr = func() string { return proxy.Addr }
	l.start()
	time.Sleep(500 * time.Millisecond)
	l.check()
}
