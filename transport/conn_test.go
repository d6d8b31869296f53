package transport

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// harness is a conn between a shard, a broker and a socket that do only what a test says.
type harness struct {
	heap
	conn
	t     *testing.T
	log   []string // what the link and the socket were told
	jobs  []actors.Job
	now   time.Duration
	timer *actors.Timer // the one that is set

	onSubmit  func()
	rest      []byte
	writeErr  error
	room      int // bytes that write takes
	waste     int // frames that the broker had no use for
	unflushed bool
}

func newHarness(t *testing.T) *harness {
	opts, err := Options{RateMessages: 5}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, room: 1 << 20, now: time.Hour}
	h.conn = conn{
		loop: &loop{server: &Server{opts: opts}, shard: h, limits: protocol.DefaultLimits()},
		sock: h, link: h, id: protocol.NewUserID([]byte("alice")),
	}
	return h
}

// The shard.
func (h *harness) Post(job actors.Job) bool             { h.jobs = append(h.jobs, job); return true }
func (h *harness) Now() time.Duration                   { return h.now }
func (h *harness) Set(t *actors.Timer, d time.Duration) { h.timer = t; h.note("timer %v", d) }
func (h *harness) Stop(*actors.Timer)                   { h.timer = nil; h.note("no timer") }
func (h *harness) CountRefusal(code protocol.Code)      { h.note("count %v", code) }
func (h *harness) CountPanic(_ string, reason any)      { h.note("panic %v", reason) }
func (h *harness) AfterTurn(job actors.Job)             { job.Run() }

// The link.
func (h *harness) Submit(s *actors.Submission) {
	h.note("submit %s", s.Payload)
	if h.onSubmit != nil {
		h.onSubmit()
	}
}
func (h *harness) Refuse(code protocol.Code, to, _ []byte) { h.note("refuse %v %s", code, to) }
func (h *harness) Fail(code protocol.Code, with protocol.CloseCode) {
	h.note("fail %v %d", code, with)
	h.conn.Close(with, []byte("last"), false)
}
func (h *harness) Alive()          {}
func (h *harness) Ping(p []byte)   { h.note("ping %s", p) }
func (h *harness) Pong(p []byte)   { h.note("pong %s", p) }
func (h *harness) Recv(seq uint64) { h.note("recv %d", seq) }
func (h *harness) Waste() (n int)  { n, h.waste = h.waste, 0; return n }
func (h *harness) Writable()       { h.note("writable") }
func (h *harness) Detach()         { h.note("detach") }

// The socket.
func (h *harness) write(p []byte) (int, error) { return min(len(p), h.room), h.writeErr }
func (h *harness) finish(p []byte)             { h.note("finish %s", p) }
func (h *harness) flushed() bool               { return !h.unflushed }
func (h *harness) halfClose()                  { h.note("half close") }
func (h *harness) close()                      { h.note("close") }
func (h *harness) readOn() {
	h.note("read on")
	if len(h.rest) > 0 {
		h.rest = h.input(h.rest)
	}
}

func (h *harness) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// run runs what was posted.
func (h *harness) run() {
	for len(h.jobs) > 0 {
		job := h.jobs[0]
		h.jobs = h.jobs[1:]
		job.Run()
	}
}

// receive is the socket reading.
func (h *harness) receive(frames ...[]byte) {
	h.rest = append(h.rest, h.input(slices.Concat(frames...))...)
	h.watch()
}

// want checks what happened since the last call.
func (h *harness) want(events ...string) {
	h.t.Helper()
	if !slices.Equal(h.log, events) {
		h.t.Fatalf("got  %s\nwant %s", strings.Join(h.log, ", "), strings.Join(events, ", "))
	}
	h.log = nil
}

func (h *harness) message(payload string) []byte {
	return text(fmt.Sprintf(`{"to":"%s","payload":"%s"}`, h.id, payload))
}

func TestConn_PausesBetweenTwoMessages(t *testing.T) {
	h := newHarness(t)
	h.onSubmit = func() { h.onSubmit = nil; h.Pause() }
	h.receive(h.message("1"), h.message("2"), h.message("3")[:5])
	h.want("submit 1")
	h.Resume()
	h.want() // nothing within the broker's call
	h.run()
	h.want("read on", "submit 2", "timer 30s")
	h.receive(h.message("3")[5:])
	h.want("submit 3", "no timer")
}

func TestConn_HasNoFrameDeadlineWhilePaused(t *testing.T) {
	h := newHarness(t)
	h.receive(h.message("1")[:5])
	h.want("timer 30s")
	h.onSubmit = func() { h.Pause() }
	h.receive(h.message("1")[5:], h.message("2")[:3])
	h.want("submit 1", "no timer")
	h.Resume()
	h.run()
	h.want("read on", "timer 30s")
	h.timer.Fire()
	h.want("fail  1002", "finish last", "timer 1s")
}

func TestConn_ReportsAFailedWriteLater(t *testing.T) {
	h := newHarness(t)
	h.writeErr = errors.New("broken pipe")
	if _, err := h.Write([]byte("x")); err == nil {
		t.Fatal("no error")
	}
	h.want()
	if _, err := h.Write([]byte("x")); err != errGone {
		t.Errorf("a second write: %v", err)
	}
	h.Close(protocol.CloseNormal, []byte("last"), false) // there is nobody to hear it
	h.run()
	h.want("timer 1s", "no timer", "close", "detach")
	h.Close(protocol.CloseNormal, nil, false)
	h.Resume()
	h.run()
	h.receive(h.message("1"))
	h.want()
}

func TestConn_TellsOfRoomOnceAfterAShortWrite(t *testing.T) {
	h := newHarness(t)
	h.writable()
	h.want()
	h.room = 3
	if n, err := h.Write([]byte("hello")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	h.writable()
	h.writable()
	h.want("writable")
}

func TestConn_ClosesAfterTheRemotesClose(t *testing.T) {
	h := newHarness(t)
	h.Close(protocol.CloseGoingAway, []byte("last"), false)
	h.want("finish last", "timer 1s")
	h.receive(h.message("1"), masked(0x89, nil), []byte{}) // not accepted
	h.run()
	h.want("read on")
	h.unflushed = true
	h.receive(masked(0x88, nil), h.message("2"))
	h.want()
	h.unflushed = false
	h.writable() // now the last bytes have gone
	h.want("detach", "half close")
	h.receive(h.message("3"))
	h.hangup(false)
	h.want("no timer", "close")
}

func TestConn_AcceptsUntilTheRemotesClose(t *testing.T) {
	h := newHarness(t)
	h.Pause()
	h.Close(protocol.CloseGoingAway, []byte("last"), true)
	h.run()
	h.receive(h.message("1"))
	h.want("finish last", "timer 1s") // still paused
	h.Resume()
	h.run()
	h.want("read on", "submit 1")
	h.receive(h.message("2"), masked(0x88, []byte{3, 233}), h.message("3"))
	h.want("submit 2", "detach", "half close")
	h.timer.Fire()
	h.want("no timer", "close")
}

func TestConn_EndsWhenTheRemoteDoesNotAnswer(t *testing.T) {
	h := newHarness(t)
	h.Close(protocol.CloseGoingAway, []byte("last"), false)
	h.timer.Fire()
	h.want("finish last", "timer 1s", "no timer", "close", "detach")
	h.run()
	h.want()
}

func TestConn_WaitsForTheLastBytesAfterTheRemotesEnd(t *testing.T) {
	h := newHarness(t)
	h.unflushed = true
	h.receive(masked(0x88, []byte{3, 232}))
	h.want("timer 1s", "fail  1000", "finish last", "timer 1s")
	h.hangup(false)
	h.run()
	h.want("read on")
	h.unflushed = false
	h.writable()
	h.want("no timer", "close", "detach")
}

func TestConn_EndsAtOnceWithoutAClose(t *testing.T) {
	for _, broken := range []bool{false, true} {
		h := newHarness(t)
		h.hangup(broken)
		h.want("close", "detach")
	}
	h := newHarness(t)
	h.Close(protocol.CloseGoingAway, []byte("last"), true)
	h.hangup(true)
	h.want("finish last", "timer 1s", "no timer", "close", "detach")
}

func TestConn_LimitsTheRate(t *testing.T) {
	h := newHarness(t) // five per second, and five at once
	refused := "refuse RATE_LIMITED " + h.id.String()
	for i := range 7 {
		h.receive(h.message(fmt.Sprint(i)))
	}
	h.want("submit 0", "submit 1", "submit 2", "submit 3", "submit 4", refused, refused)
	h.now += 200 * time.Millisecond
	h.receive(text("nonsense"), h.message("5"), masked(0x89, []byte("x")))
	h.want("refuse INVALID_MESSAGE ", refused)
	h.now += time.Second
	h.receive(masked(0x89, []byte("x")), h.message("6"))
	h.want("ping x", "submit 6")
	for range 3 {
		h.receive(h.message("7"))
	}
	h.want("submit 7", "submit 7", "submit 7")
	for range 10 {
		h.receive(h.message("8"))
	}
	h.want(slices.Repeat([]string{refused}, 10)...)
	h.receive(h.message("9"), h.message("10"))
	h.want("fail RATE_LIMITED 1008", "finish last", "timer 1s")
}

// What is of no use to the broker, and messages in many pieces, use up the same bucket as messages.
func TestConn_LimitsWhatIsOfNoUse(t *testing.T) {
	refused := "refuse RATE_LIMITED " + newHarness(t).id.String()
	h := newHarness(t) // five per second, and five at once
	h.waste = 4
	h.receive(h.message("1"), h.message("2"))
	h.want("submit 1", refused)
	h.now += time.Second
	h.waste = 5 + 9
	h.receive(h.message("3"))
	h.want(refused) // the tenth
	h.waste = 1
	h.receive(h.message("4"))
	h.want("fail RATE_LIMITED 1008", "finish last", "timer 1s")

	h = newHarness(t)
	pieces := func(n int) []byte { // all but the last of them empty
		all := append(masked(0x01, nil), bytes.Repeat(masked(0x00, nil), n-2)...)
		return append(all, masked(0x80, fmt.Appendf(nil, `{"to":"%s","payload":"x"}`, h.id))...)
	}
	h.receive(pieces(63), h.message("1"), h.message("2"), pieces(64), h.message("3"))
	h.want("submit x", "submit 1", "submit 2", "submit x", refused)
}

func TestConn_DoesNotLimitTheExempt(t *testing.T) {
	h := newHarness(t)
	h.set(unlimited)
	for range 100 {
		h.receive(h.message("x"))
	}
	h.want(slices.Repeat([]string{"submit x"}, 100)...)
}

func TestConn_V1(t *testing.T) {
	h := newHarness(t)
	h.set(speaksV1)
	for range 100 { // not limited
		h.receive(text(`{"type":"recv","seq":7}`))
	}
	h.want(slices.Repeat([]string{"recv 7"}, 100)...)
	h.receive(text(`{"type":"proof"}`), text(fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"x"}`, h.id)), text(`{"type":"send","id":"2","to":"x","payload":"x"}`))
	h.want("refuse INVALID_MESSAGE ", "submit x", "refuse USER_NOT_FOUND x")
	h.receive(text("\"\xff\""))
	h.want("fail  1007", "finish last", "timer 1s")
}

func TestConn_InputCostsNoAllocation(t *testing.T) {
	h := newHarness(t)
	h.set(unlimited)
	frame := h.message(strings.Repeat("x", 200))
	input := make([]byte, len(frame))
	quiet := &quietLink{}
	h.link = quiet
	if n := testing.AllocsPerRun(100, func() {
		copy(input, frame)
		h.input(input)
		h.watch()
	}); n != 0 || quiet.submitted == 0 {
		t.Errorf("%v allocations, %d submitted", n, quiet.submitted)
	}
}

type quietLink struct {
	link
	submitted int
}

func (l *quietLink) Alive()                    {}
func (l *quietLink) Waste() int                { return 0 }
func (l *quietLink) Submit(*actors.Submission) { l.submitted++ }
