package scale_test

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// limitFiles changes how many files the running server may open. Only the soft limit moves, so it can be undone.
func limitFiles(t *testing.T, s *enigmatest.Server, files int) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Prlimit(s.Pid(), unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = min(uint64(files), limit.Max)
	if err := unix.Prlimit(s.Pid(), unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

// TestFiles_FewOpenFilesLeaveRoomForTheStore starts a server that may open few files, and connects until it takes no
// more. The store goes on, with mail enough for several of its tables, and so do those inside.
func TestFiles_FewOpenFilesLeaveRoomForTheStore(t *testing.T) {
	t.Parallel()
	const limit = 256
	store := t.TempDir()
	s := enigmatest.StartWithFiles(t, limit, append([]string{"--store", store}, roomy...)...)
	c := newCrowd(t, s, "few", 400)
	c.size = 2000
	inside := 0
	for err := error(nil); err == nil; inside++ {
		err = c.members[inside].connect(s.Addr)
	}
	inside--
	if inside < limit/3 || inside > limit-100 {
		t.Fatalf("%d users could connect with %d files", inside, limit)
	}
	t.Logf("%d users are connected with %d files, %d of them open", inside, limit, s.OpenFiles())
	each := enigmatest.Pick(60/slowdown, 2000)
	mustEach(t, 16, 16, func(i int) error {
		for n := range each {
			for to := i; to < len(c.members); to += 16 {
				if err := c.members[i].send(c.members[to].id, fmt.Sprintf("%d-%d", i, n)); err != nil {
					return err
				}
			}
			await(t, "few are on their way", func() (float64, bool) {
				answered := c.answered.Load()
				return float64(answered), c.sent.Load()-answered < 5000
			})
		}
		return nil
	})
	await(t, "all mail is acknowledged", func() (float64, bool) {
		n := c.answered.Load()
		return float64(n), n == c.sent.Load()
	})
	expectLines(t, s, 1, "few open files are allowed")
	expectLines(t, s, 1, "no room for more connections")
	expectLines(t, s, 0, "level=ERROR")
	c.leave(0, inside)
	c.gone()
	s.ExpectStatus(0)
	if status := s.Stop(); status != 0 {
		t.Fatalf("exit status %d\n%s", status, s.Log())
	}
	s = enigmatest.Start(t, append([]string{"--store", store}, roomy...)...)
	c.drained.Store(0)
	c.connect(s, 0, len(c.members), atOnce)
	await(t, "everybody has got what was stored", func() (float64, bool) {
		n := c.drained.Load()
		return float64(n) + float64(c.book.Judge().Count.Delivered), n == int64(len(c.members))
	})
	c.judge(true)
}

// TestFiles_NoneLeft takes the files away from a running server. New connections wait, those inside go on, mail is
// stored; and when there are files again, those who waited get in. The log has a line when it begins and one when it is
// over.
func TestFiles_NoneLeft(t *testing.T) {
	t.Parallel() // it waits for the end of the shortage
	s := enigmatest.Start(t)
	const inside, waiting = 40, 60
	c := newCrowd(t, s, "inside", inside+waiting)
	c.connect(s, 0, inside, inside)
	c.everyoneGetsOneFrom("before", inside)
	limitFiles(t, s, s.OpenFiles())
	var conns []net.Conn
	for range waiting {
		nc, err := dial(s) // the kernel takes it
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns = append(conns, nc)
	}
	s.AwaitLog("connections cannot be accepted")
	for round := range 3 {
		c.everyoneGetsOneFrom(fmt.Sprint("meanwhile ", round), inside)
	}
	limitFiles(t, s, 20_000)
	for _, nc := range conns {
		if status, err := ask(nc, "192.0.2.1"); err != nil || status != 200 {
			t.Fatalf("one who waited: status %d, %v", status, err)
		}
	}
	s.AwaitLog("connections are accepted again")
	expectLines(t, s, 1, "connections cannot be accepted")
	expectLines(t, s, 1, "connections are accepted again")
	expectLines(t, s, 2, "level=WARN")
	expectLines(t, s, 0, "level=ERROR")
	c.connect(s, inside, inside+waiting, atOnce)
	c.everyoneGetsOne("after")
}
