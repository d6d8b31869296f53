package transport

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestEpollConn_IsSmall(t *testing.T) {
	if size := unsafe.Sizeof(epollConn{}); size > 192 {
		t.Errorf("%d bytes", size)
	}
}

// epollHarness is a conn on a real socket and a real epoll, with a test for its shard and its broker.
type epollHarness struct {
	*harness
	ec     *epollConn
	client *net.TCPConn
}

func newTestEpoll(t testing.TB) *epoll {
	t.Helper()
	poller, err := NewEpoll(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { poller.Close() })
	return poller.(*epoll)
}

func newEpollHarness(t *testing.T, p *epoll) *epollHarness {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := dupFD(nc.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	h := newHarness(t)
	h.loop.poll = p
	h.set(unlimited)
	ec := &epollConn{conn: h.conn, fd: int32(fd)}
	ec.sock = ec
	h.loop.server.conns.add()
	p.add(ec)
	ec.readOn()
	return &epollHarness{harness: h, ec: ec, client: client.(*net.TCPConn)}
}

// wait runs turns until the link was told something.
func (h *epollHarness) wait() {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); len(h.log) == 0; {
		if time.Now().After(end) {
			h.t.Fatal("nothing happened")
		}
		h.loop.poll.Wait(10 * time.Millisecond)
		h.run()
	}
}

// quiet checks that the epoll has nothing to say: a wait lasts as long as it may.
func (h *epollHarness) quiet() {
	h.t.Helper()
	const long = 30 * time.Millisecond
	for start := time.Now(); time.Since(start) < long; {
		begin := time.Now()
		h.loop.poll.Wait(long)
		if time.Since(begin) < long/2 {
			continue // what was on its way
		}
		return
	}
	h.t.Error("the epoll does not sleep")
}

func TestEpollConn_KeepsWhatAPausedConnHasNotParsed(t *testing.T) {
	h := newEpollHarness(t, newTestEpoll(t))
	h.onSubmit = func() { h.onSubmit = nil; h.ec.Pause() }
	h.client.Write(bytes.Join([][]byte{h.message("1"), h.message("2"), h.message("3")[:9]}, nil))
	h.wait()
	h.want("submit 1")
	h.client.Write(append(h.message("3")[9:], h.message("4")...))
	for queued(t, h.ec) == 0 {
		time.Sleep(time.Millisecond)
	}
	h.want()
	h.onSubmit = func() {
		if strings.Contains(fmt.Sprint(h.log), "submit 3") {
			h.onSubmit = nil
			h.ec.Pause()
		}
	}
	h.ec.Resume()
	h.loop.poll.Wait(0) // there is more in the socket, but the rest comes first
	h.want()
	h.run()
	h.want("submit 2", "timer 30s")
	h.wait()
	h.want("submit 3", "no timer")
	h.ec.Resume()
	h.run()
	h.want("submit 4")
	if h.ec.backlog != nil {
		t.Error("a backlog is left")
	}
}

// An event is told once: what one read does not take of it must not be left behind.
func TestEpollConn_LeavesNothingBehind(t *testing.T) {
	const many = 200
	big := strings.Repeat("x", 1000)
	for name, tc := range map[string]struct {
		send func(h *epollHarness)
		want []string // of what the link is told
	}{
		"more than one read takes": {func(h *epollHarness) {
			for range many {
				h.client.Write(h.message(big))
			}
		}, slices.Repeat([]string{"submit " + big}, many)},
		"the end of the stream": {func(h *epollHarness) {
			h.client.Write(h.message("1"))
			h.client.CloseWrite()
		}, []string{"submit 1", "detach"}},
		"urgent data": {func(h *epollHarness) {
			h.client.Write(h.message("1"))
			if err := unix.Send(rawFD(h.t, h.client), []byte{'!'}, unix.MSG_OOB); err != nil {
				h.t.Fatal(err)
			}
			h.client.Write(h.message("2"))
		}, []string{"submit 1", "submit 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newEpollHarness(t, newTestEpoll(t))
			tc.send(h)
			arrived := func() bool {
				unacknowledged, err := unix.IoctlGetInt(rawFD(t, h.client), unix.TIOCOUTQ)
				return err == nil && unacknowledged == 0 || queued(t, h.ec) > readSize
			}
			for end := time.Now().Add(10 * time.Second); !arrived(); time.Sleep(time.Millisecond) { // the kernel tells nobody
				if time.Now().After(end) {
					t.Fatal("what was sent does not arrive")
				}
			}
			var got []string
			for end := time.Now().Add(10 * time.Second); len(got) < len(tc.want) && time.Now().Before(end); {
				h.loop.poll.Wait(10 * time.Millisecond)
				h.run()
				for _, line := range h.log {
					if !strings.Contains(line, "timer") {
						got = append(got, line)
					}
				}
				h.log = nil
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%d of %d came: %.200q", len(got), len(tc.want), got)
			}
		})
	}
}

// rawFD returns the descriptor of a connection that stays open.
func rawFD(t *testing.T, nc syscall.Conn) (fd int) {
	t.Helper()
	rc, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(own uintptr) { fd = int(own) })
	return fd
}

func TestEpollConn_DoesNotSpinOnADeadConnectionThatIsPaused(t *testing.T) {
	h := newEpollHarness(t, newTestEpoll(t))
	h.ec.Pause()
	h.client.Write(h.message("1"))
	h.client.SetLinger(0)
	h.client.Close()
	h.quiet()
	h.want()
	h.ec.Resume()
	h.run()
	h.wait()
	if h.log[0] != "submit 1" {
		t.Errorf("what came before the reset is lost: %v", h.log)
	}
	for !h.ec.is(discharged) {
		h.log = nil
		h.wait()
	}
}

func TestEpollConn_WaitsForRoom(t *testing.T) {
	h := newEpollHarness(t, newTestEpoll(t))
	flood := make([]byte, 8<<20)
	n, err := h.ec.Write(flood)
	if err != nil || n == 0 || n == len(flood) {
		t.Fatalf("%d bytes taken, %v", n, err)
	}
	if n, err := h.ec.Write(flood); n != 0 || err != nil {
		t.Errorf("%d bytes more, %v", n, err)
	}
	h.quiet()
	go drain(h.client, n)
	h.wait()
	h.want("writable")
	h.quiet()
	h.ec.Close(1000, flood, false)
	h.want("timer 1s")
	go drain(h.client, len(flood))
	for !h.ec.flushed() {
		h.loop.poll.Wait(10 * time.Millisecond)
	}
	h.client.Write(masked(0x88, nil))
	h.wait()
	h.want("detach")
	h.client.CloseWrite()
	h.wait()
	h.want("no timer")
	if !h.ec.is(discharged) || h.ec.backlog != nil {
		t.Error("something is left")
	}
}

func drain(nc net.Conn, n int) {
	for buf := make([]byte, 64<<10); n > 0; {
		m, err := nc.Read(buf[:min(n, len(buf))])
		if err != nil {
			return
		}
		n -= m
	}
}

// A turn takes no more of one conn, and of all together, than its bounds; the next turn goes on where it stopped.
func TestEpoll_IsFair(t *testing.T) {
	p := newTestEpoll(t)
	var all []*epollHarness
	message := strings.Repeat("x", 1000)
	for range 10 {
		h := newEpollHarness(t, p)
		all = append(all, h)
		go func() {
			for range 200 {
				h.client.Write(h.message(message))
			}
		}()
	}
	for _, h := range all {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if queued(t, h.ec) > readSize || time.Now().After(end) {
				break
			}
		}
	}
	for turn := range 4 {
		before := 0
		for _, h := range all {
			before += len(h.log)
		}
		p.Wait(0)
		after, served := 0, 0
		for _, h := range all {
			after += len(h.log)
			if len(h.log) > 0 {
				served++
			}
			if len(h.log) > (turn+1)*readSize/len(message) {
				t.Errorf("turn %d: one conn got %d messages in", turn, len(h.log))
			}
		}
		if after-before > arenaSize/len(message) {
			t.Errorf("turn %d took %d messages", turn, after-before)
		}
		if want := min(len(all), (turn+1)*arenaSize/readSize); served < want {
			t.Errorf("after turn %d %d conns were served, want %d", turn, served, want)
		}
	}
}

func TestEpoll_Wakes(t *testing.T) {
	p := newTestEpoll(t)
	p.Wake() // before the wait
	p.Wait(time.Hour)
	for range 100 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Wait(time.Hour)
		}()
		asleep := func() bool {
			select {
			case <-done:
				return true // the last Wake came as a wait began, and this one has its event
			default:
				return p.sleeping.Load()
			}
		}
		for !asleep() {
			time.Sleep(10 * time.Microsecond)
		}
		p.Wake()
		<-done
	}
	start := time.Now()
	p.Wait(20 * time.Millisecond)
	p.Wait(20 * time.Millisecond)
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("it woke after %v for nothing", took)
	}
	p.Wait(0)
	p.Wait(-1)
}

// queued returns how many bytes wait in a conn's socket.
func queued(t *testing.T, c *epollConn) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(c.fd), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The events behind that of a conn that panics are handed on in the same turn.
func TestEpoll_HandsOnWhatComesBehindAPanic(t *testing.T) {
	p := newTestEpoll(t)
	var all []*epollHarness
	for range 3 {
		all = append(all, newEpollHarness(t, p))
	}
	all[1].onSubmit = func() { panic("boom") }
	for _, h := range all {
		h.client.Write(h.message("1"))
		for queued(t, h.ec) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	p.Wait(time.Second)
	all[0].want("submit 1")
	all[1].want("submit 1", "panic boom", "fail  1011", "finish last", "timer 1s")
	all[2].want("submit 1")
}
