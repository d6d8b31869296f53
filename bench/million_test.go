package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// member is a user in memory who checks what comes: a message from the one before it, each round one. It belongs to its
// user's shard.
type member struct {
	c     *company
	link  *actors.Link
	pings [][16]byte // to answer
	index int32
	round int32 // that has come
}

// company is very many users on one broker, each of whom writes to the next.
type company struct {
	t       testing.TB
	broker  *actors.Broker
	ids     []protocol.UserID
	members []member

	resumed, came, detached, wrong atomic.Int64
}

// Run implements [actors.Job]: the client's stack answers Pings.
func (m *member) Run() {
	for i := range m.pings {
		m.link.Pong(m.pings[i][:])
	}
	m.pings = nil
}

// Write implements [actors.Conn].
func (m *member) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		head, n := 2, int(rest[1])
		if n == 126 {
			head, n = 4, int(rest[2])<<8|int(rest[3])
		}
		text := rest[head : head+n]
		if rest[0]&0xF == byte(protocol.OpPing) {
			m.pings = append(m.pings, [16]byte(text))
			m.shard().Post(m)
		} else {
			m.take(text)
		}
		rest = rest[head+n:]
	}
	return len(p), nil
}

// take checks a message: its payload names sender, recipient and number.
func (m *member) take(text []byte) {
	from := (int(m.index) + len(m.c.members) - 1) % len(m.c.members)
	m.round++
	want := fmt.Appendf(nil, `"payload":"%d to %d, number %d"`, from, m.index, m.round)
	if !bytes.Contains(text, want) || !bytes.Contains(text, []byte(m.c.ids[from].String())) {
		if m.c.wrong.Add(1) == 1 {
			m.c.t.Errorf("%s came to %d, want %s", text, m.index, want)
		}
	}
	m.c.came.Add(1)
}

func (m *member) shard() *actors.Shard { return m.c.broker.ShardFor(m.c.ids[m.index]) }

// Pause implements [actors.Conn].
func (m *member) Pause() {}

// Resume implements [actors.Conn]: the first time, the broker has the user.
func (m *member) Resume() { m.c.resumed.Add(1) }

// Close implements [actors.Conn]. Nobody is to be closed.
func (m *member) Close(code protocol.CloseCode, _ []byte, _ bool) {
	m.c.t.Errorf("%d was closed with %d", m.index, code)
}

// all does f on the shard of every member, so many at a time, and waits until done counts them.
func (c *company) all(what string, done *atomic.Int64, f func(m *member)) {
	c.t.Helper()
	const window = 10_000
	begin, before := time.Now(), done.Load()
	wait := func(left int64) {
		for last, since := done.Load(), time.Now(); done.Load()-before < left; time.Sleep(time.Millisecond) {
			if n := done.Load(); n != last {
				last, since = n, time.Now()
			} else if time.Since(since) > time.Minute {
				c.t.Fatalf("%s: %d of %d, and nothing more happens", what, n-before, len(c.members))
			}
		}
	}
	for i := range c.members {
		m := &c.members[i]
		m.shard().Post(job(func() { f(m) }))
		if i%1000 == 0 {
			wait(int64(i - window))
		}
	}
	wait(int64(len(c.members)))
	took := time.Since(begin)
	heap, rss := memoryInUse()
	c.t.Logf("%-9s %8d in %6s; heap %5d MiB, resident %5d MiB", what, len(c.members), took.Round(time.Millisecond), heap>>20, rss>>20)
}

// write has each member write to the next one.
func (c *company) write(number int) {
	c.all(fmt.Sprint("message ", number), &c.came, func(m *member) {
		next := (int(m.index) + 1) % len(c.members)
		payload := fmt.Appendf(nil, "%d to %d, number %d", m.index, next, number)
		m.link.Submit(&actors.Submission{To: c.ids[next], Payload: payload, Size: len(payload)})
	})
}

// million is how many users there are: as many as the name says with ENIGMA_SOAK=1.
func million() int {
	if os.Getenv("ENIGMA_SOAK") == "1" {
		return 1_000_000
	}
	return 20_000
}

// mostResident bounds the memory of the process with a million users in the long form, their keys in a store in memory
// and the test's own part included.
const mostResident = 3 << 29

// TestMillion_UsersInOneProcess attaches them all, has each get messages from another, and detaches them. Then the
// broker holds next to nothing any more.
func TestMillion_UsersInOneProcess(t *testing.T) {
	n := million()
	c := &company{t: t, broker: newBroker(t), ids: make([]protocol.UserID, n), members: make([]member, n)}
	c.login()
	heap, rss := memoryInUse()
	t.Logf("logged in; heap %d MiB, resident %d MiB", heap>>20, rss>>20)
	c.all("attach", &c.resumed, func(m *member) {
		m.link = c.broker.Attach(c.ids[m.index], m, actors.AttachOptions{Profile: actors.Plain})
	})
	full, fullRSS := memoryInUse()
	c.write(1)
	c.write(2)
	if wrong := c.wrong.Load(); wrong > 0 {
		t.Errorf("%d messages were wrong", wrong)
	}
	if _, most := memoryInUse(); max(most, fullRSS) > mostResident && !raceEnabled {
		t.Errorf("%d MiB are resident", max(most, fullRSS)>>20)
	}
	c.all("detach", &c.detached, func(m *member) {
		m.link.Detach()
		m.link = nil
		c.detached.Add(1)
	})
	for begin := time.Now(); c.broker.Stats().Actors > 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > 3*time.Minute {
			t.Fatalf("%d actors are left", c.broker.Stats().Actors)
		}
	}
	after, afterRSS := memoryInUse()
	for begin := time.Now(); after-heap > (full-heap)/2 && time.Since(begin) < time.Minute; after, afterRSS = memoryInUse() {
		time.Sleep(100 * time.Millisecond) // of the last that end, something may be under way
	}
	t.Logf("actors gone; heap %d MiB, resident %d MiB", after>>20, afterRSS>>20)
	if stats := c.broker.Stats(); stats.Lost+stats.Panics > 0 || stats.Attached != stats.Detached {
		t.Errorf("%+v", stats)
	}
	// Tables and pools that have grown keep their size; what users cost beside them is gone.
	if left := after - heap; left > (full-heap)/2 {
		t.Errorf("of %d KiB that the users took, %d are left", (full-heap)>>10, left>>10)
	}
}

// login makes all known.
func (c *company) login() {
	const atOnce = 64
	var all sync.WaitGroup
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < len(c.ids); i += atOnce {
				c.members[i] = member{c: c, index: int32(i)}
				c.ids[i] = login(c.t, c.broker, i)
			}
		})
	}
	all.Wait()
}
