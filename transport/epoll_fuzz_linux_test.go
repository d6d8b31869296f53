package transport

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a step of a program is, by its lowest three bits; the others are its size.
const (
	sendMessage = iota
	sendPart    // of a message, whose rest goes before whatever is sent next
	sendMany
	pause // at once, or at the next message
	resume
	turn
	write
	read // or say that nothing more comes, or send a byte of urgent data
)

// FuzzEpollConn runs a program on a conn with a real socket: what the client sends and reads and when, what the broker
// writes, where it pauses, when the shard has its turns, and who ends it. An event is told once, so whatever the order,
// all that was sent has to come, all that was taken has to go, and the end has to be seen.
func FuzzEpollConn(f *testing.F) {
	step := func(kind, size byte) byte { return kind | size<<3 }
	f.Add([]byte{step(sendMany, 31), turn, step(sendMany, 31), step(sendMany, 31), turn, pause, turn, step(sendMessage, 3), resume}, false, false)
	f.Add([]byte{step(sendPart, 9), turn, step(pause, 1), step(sendMany, 5), turn, sendMessage, turn, resume, turn}, false, false)
	f.Add([]byte{step(write, 31), step(write, 31), turn, step(read, 15), turn, step(read, 15), step(write, 4)}, true, false)
	f.Add([]byte{sendMessage, step(read, 20), sendMessage, turn, pause, sendMessage, step(read, 31), turn, resume}, false, false)
	f.Add([]byte{sendMessage, step(pause, 1), sendMessage, sendMessage, turn, step(write, 31), step(write, 31)}, true, true)
	p := newTestEpoll(f)
	f.Fuzz(func(t *testing.T, program []byte, byServer, accept bool) {
		r := newEpollRun(t, p)
		for _, b := range program {
			r.step(b&7, int(b>>3))
		}
		if byServer && !r.closedWrite {
			r.endByServer(accept)
		} else {
			r.endByClient()
		}
	})
}

// epollRun is a program that runs.
type epollRun struct {
	*epollHarness
	fd          int      // the client's
	sent        []string // what the broker is to be told
	pending     []byte   // of a message that was begun
	bytes       int      // sent in all; no more than the kernel takes without being read
	written     int      // bytes that the broker wrote
	got         int      // bytes that the client has read
	urgent      bool     // has been sent: a second one makes a usual byte of the first
	closedWrite bool
}

func newEpollRun(t *testing.T, p *epoll) *epollRun {
	h := newEpollHarness(t, p)
	h.client.SetLinger(0) // thousands of closed ones would take the ports
	if err := unix.SetsockoptInt(int(h.ec.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10); err != nil {
		t.Fatal(err)
	}
	return &epollRun{epollHarness: h, fd: rawFD(t, h.client)}
}

func (r *epollRun) step(kind byte, size int) {
	switch kind {
	case sendMessage, sendPart:
		message := r.newMessage(size * 40)
		n := len(message)
		if kind == sendPart {
			n = min(n, 1+size*size)
		}
		r.send(message[:n])
		r.pending = message[n:]
	case sendMany:
		var all []byte
		for range 3 * size {
			all = append(all, r.newMessage(1000)...)
		}
		r.send(all)
	case pause:
		if size%2 == 0 {
			r.ec.Pause()
			break
		}
		r.onSubmit = func() { r.onSubmit = nil; r.ec.Pause() }
	case resume:
		r.ec.Resume()
	case turn:
		r.turn(0)
	case write:
		n, err := r.ec.Write(make([]byte, size<<13))
		if err != nil && !r.ec.is(discharged) {
			r.t.Fatal(err)
		}
		r.written += n
	case read:
		switch {
		case size < 16:
			r.read((size + 1) << 14)
		case size >= 24:
			r.closeWrite()
		case !r.urgent && !r.closedWrite:
			r.urgent = true
			if err := unix.Send(r.fd, []byte{'!'}, unix.MSG_OOB); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// newMessage returns a message that the broker is to be told of, or nothing if no more can be sent.
func (r *epollRun) newMessage(size int) []byte {
	if r.closedWrite || r.bytes > 256<<10 {
		return nil
	}
	payload := fmt.Sprintf("%d %s", len(r.sent), strings.Repeat("x", size))
	r.sent = append(r.sent, "submit "+payload)
	message := r.message(payload)
	r.bytes += len(message)
	return message
}

func (r *epollRun) send(p []byte) {
	if r.closedWrite {
		return
	}
	p, r.pending = slices.Concat(r.pending, p), nil
	if _, err := r.client.Write(p); err != nil {
		r.t.Fatal(err)
	}
}

// read has the client read, if there is something.
func (r *epollRun) read(size int) (end bool) {
	n, _, err := unix.Recvfrom(r.fd, make([]byte, size), unix.MSG_DONTWAIT)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		r.t.Fatal(err)
	}
	r.got += max(n, 0)
	return n == 0 && err == nil
}

func (r *epollRun) closeWrite() {
	if !r.closedWrite {
		r.send(nil)
		r.client.CloseWrite()
		r.closedWrite = true
	}
}

func (r *epollRun) turn(wait time.Duration) {
	r.loop.poll.Wait(wait)
	r.run()
}

// until has turns, and the client read, until something is so.
func (r *epollRun) until(what string, so func() bool) {
	for end := time.Now().Add(10 * time.Second); !so(); {
		if time.Now().After(end) {
			r.t.Fatalf("never %s: %d of %d bytes read, told %.500q", what, r.got, r.written, r.log)
		}
		r.turn(time.Millisecond)
	}
}

func (r *epollRun) endByClient() {
	r.onSubmit = nil
	r.ec.Resume()
	r.send(nil)
	r.until("told and written", func() bool {
		r.read(1 << 20)
		return r.got == r.written && (r.closedWrite || !r.ec.is(busy) && len(r.told()) == len(r.sent))
	})
	r.closeWrite()
	r.until("closed", func() bool { return r.ec.is(discharged) })
	if told := r.told(); !slices.Equal(told, append(r.sent, "detach")) {
		r.t.Errorf("told %.500q, sent %.500q", told, r.sent)
	}
}

// endByServer closes as the broker does: unless it accepts, what it has not been told by then is not told any more.
func (r *epollRun) endByServer(accept bool) {
	last := bytes.Repeat([]byte("last"), 50_000)
	r.ec.Close(1000, last, accept)
	r.until("flushed", func() bool {
		r.read(1 << 20)
		return r.ec.flushed()
	})
	r.onSubmit = nil
	r.ec.Resume()
	r.send(masked(0x88, nil))
	r.until("at its end", func() bool { return r.read(1 << 20) })
	r.closeWrite()
	r.until("closed", func() bool { return r.ec.is(discharged) })
	if r.got != r.written+len(last) {
		r.t.Errorf("%d bytes came of %d and %d", r.got, r.written, len(last))
	}
	told, want := r.told(), r.sent
	if !accept {
		want = want[:min(len(want), max(0, len(told)-1))]
	}
	if !slices.Equal(told, append(want, "detach")) {
		r.t.Errorf("told %.500q, sent %.500q", told, r.sent)
	}
}

// told is what the broker was told of messages and of the end.
func (r *epollRun) told() []string {
	r.log = slices.DeleteFunc(r.log, func(line string) bool { return strings.Contains(line, "timer") || line == "writable" })
	return r.log
}
