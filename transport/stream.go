package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/enigma-protocol/enigma/actors"
)

const (
	streamRead  = 8 << 10  // bytes of a read
	streamOut   = 64 << 10 // bytes taken and not yet written, but for the last before a close
	streamWrite = 16 << 10 // bytes of a write, each with its own deadline
)

var errGone = errors.New("transport: connection closed")

// stream is a conn on a [net.Conn], for TLS and where there is no epoll. A goroutine reads: it hands a buffer to the
// shard and waits until that has parsed it, so there is no reading ahead of a conn that is paused. Another one writes,
// and lives only while there is something to write.
type stream struct {
	conn
	nc net.Conn

	// The reading goroutine's until it posts them, the shard's until it sends on next.
	data []byte
	err  error

	next chan struct{} // the shard has parsed data
	gone chan struct{} // closed by cut
	once sync.Once     // of cut

	// The shard's.
	rest    []byte // what of data is not parsed
	holds   bool   // data is with the shard
	started bool   // the reading goroutine runs

	mu      sync.Mutex
	out     *chunk // guarded by mu: taken and not with the writing goroutine
	writing bool   // guarded by mu: the writing goroutine runs
	report  bool   // guarded by mu: the shard wants to know when all is written
	half    bool   // guarded by mu: the write side is to be closed when all is written
	failure error  // guarded by mu: why nothing is taken any more
}

// newStream returns a conn without its goroutines. early is what the client has already sent.
func newStream(c conn, nc net.Conn, early []byte) *stream {
	s := &stream{conn: c, nc: nc, rest: early, next: make(chan struct{}, 1), gone: make(chan struct{})}
	s.sock = s
	return s
}

// read is the reading goroutine.
func (s *stream) read() {
	defer s.survive(false)
	buf := make([]byte, streamRead)
	for {
		n, err := s.nc.Read(buf)
		s.data, s.err = buf[:n], err
		s.post((*inputJob)(s))
		select {
		case <-s.next:
		case <-s.gone:
			return
		}
		if err != nil {
			return
		}
	}
}

// post has the shard run a job, or cuts the stream if there is no shard any more.
func (s *stream) post(job actors.Job) {
	if !s.loop.shard.Post(job) {
		s.cut()
	}
}

// inputJob is a stream whose goroutine has read something.
type inputJob stream

// Run implements [actors.Job].
func (j *inputJob) Run() {
	s := (*stream)(j)
	if s.is(discharged) {
		return
	}
	defer s.guard()
	s.rest, s.holds = s.data, true
	if !s.is(paused) {
		s.readOn()
		s.watch()
	}
}

// readOn implements socket.
func (s *stream) readOn() {
	if len(s.rest) > 0 {
		s.rest = s.input(s.rest)
	}
	if s.is(paused | discharged) {
		return
	}
	if !s.started {
		s.started = true
		go s.read()
		return
	}
	if !s.holds {
		return
	}
	s.holds = false
	if s.err != nil {
		s.hangup(s.err != io.EOF)
		return
	}
	s.loop.shard.AfterTurn((*nextJob)(s)) // until then the broker may look into data
}

// nextJob is a stream whose data has been parsed.
type nextJob stream

// Run implements [actors.Job].
func (j *nextJob) Run() { j.next <- struct{}{} }

// write implements socket.
func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return 0, s.failure
	}
	room := streamOut
	if s.out != nil {
		room -= len(s.out.b)
	}
	n := min(len(p), max(room, 0))
	s.push(p[:n])
	if n < len(p) {
		s.report = true
	}
	return n, nil
}

// finish implements socket.
func (s *stream) finish(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = true
	s.push(p)
}

// halfClose implements socket.
func (s *stream) halfClose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.half = true
	s.push(nil)
}

// push queues bytes and makes sure that the writing goroutine runs; mu is held.
func (s *stream) push(p []byte) {
	if s.failure != nil {
		return
	}
	if len(p) > 0 {
		s.out = s.out.extend(p)
	}
	if !s.writing {
		s.writing = true
		go s.drain()
	}
}

// flushed implements socket.
func (s *stream) flushed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.writing && s.out == nil
}

// drain is the writing goroutine.
func (s *stream) drain() {
	defer s.survive(true)
	for {
		out, half, report := s.takeOut()
		switch {
		case out != nil:
			err := s.flush(out.b)
			out.release()
			if err != nil {
				s.fail(err)
				return
			}
		case half:
			if w, ok := s.nc.(interface{ CloseWrite() error }); ok {
				w.CloseWrite()
			}
		case report:
			s.post((*drainedJob)(s))
			return
		default:
			return
		}
	}
}

// takeOut returns what the writing goroutine does next: write, close the write side, or end, with or without a report.
func (s *stream) takeOut() (out *chunk, half, report bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failure != nil:
	case s.out != nil:
		out, s.out = s.out, nil
		return out, false, false
	case s.half:
		s.half = false
		return nil, true, false
	}
	report, s.report, s.writing = s.report, false, false
	return nil, false, report
}

func (s *stream) flush(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), streamWrite)
		if err := s.nc.SetWriteDeadline(time.Now().Add(s.loop.server.opts.WriteTimeout)); err != nil {
			return err
		}
		if _, err := s.nc.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// fail ends writing and tells the shard.
func (s *stream) fail(err error) {
	s.mu.Lock()
	first := s.failure == nil
	if first {
		s.failure = err
	}
	s.writing = false
	s.mu.Unlock()
	if first {
		s.post((*failedJob)(s))
	}
}

// drainedJob is a stream that has written all it took.
type drainedJob stream

// Run implements [actors.Job].
func (j *drainedJob) Run() {
	s := (*stream)(j)
	defer s.guard()
	if !s.is(discharged) {
		s.writable()
	}
}

// failedJob is a stream whose write has failed.
type failedJob stream

// Run implements [actors.Job].
func (j *failedJob) Run() {
	s := (*stream)(j)
	defer s.guard()
	s.end()
}

// close implements socket.
func (s *stream) close() { s.cut() }

// cut closes the socket, has the goroutines end and takes the conn out of the counts. Any goroutine may call it.
func (s *stream) cut() {
	s.once.Do(func() {
		close(s.gone)
		s.mu.Lock()
		if s.failure == nil {
			s.failure = errGone
		}
		s.out.release()
		s.out = nil
		s.mu.Unlock()
		if _, ok := s.nc.(*net.TCPConn); ok {
			s.nc.Close()
		} else {
			go s.release() // of TLS: it waits to write its alert
		}
		s.loop.server.conns.forget(s)
		s.loop.server.closed(s.count)
	})
}

func (s *stream) release() {
	defer s.survive(true)
	s.nc.Close()
}
