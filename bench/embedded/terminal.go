package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// terminal is a user's conn in the front end in memory. It speaks the plain profile. All of it belongs to the goroutine of
// its user's shard.
type terminal struct {
	shard *actors.Shard
	link  *actors.Link
	user  protocol.UserID
	show  func(line string)       // must not block
	begun chan struct{}           // closed at the first Resume; nil from then on
	ended chan protocol.CloseCode // gets why the broker has closed it
}

// job is a function that runs on a shard.
type job func()

// Run implements actors.Job.
func (f job) Run() { f() }

// open connects a terminal, from any goroutine, and waits until its user has it.
func open(ctx context.Context, broker *actors.Broker, user protocol.UserID, show func(line string)) (*terminal, error) {
	begun := make(chan struct{})
	t := &terminal{shard: broker.ShardFor(user), user: user, show: show, begun: begun, ended: make(chan protocol.CloseCode, 1)}
	t.shard.Post(job(func() { t.link = broker.Attach(user, t, actors.AttachOptions{Profile: actors.Plain}) }))
	select {
	case <-begun:
		return t, nil
	case code := <-t.ended:
		return nil, fmt.Errorf("the broker refuses the terminal: close code %d", code)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send submits a line, from any goroutine. A front end that reads much would heed Pause first.
func (t *terminal) send(to protocol.UserID, line string) {
	quoted, _ := json.Marshal(line) // a string can be marshalled
	payload := bytes.Trim(quoted, `"`)
	t.shard.Post(job(func() { t.link.Submit(&actors.Submission{To: to, Payload: payload, Size: len(payload)}) }))
}

// Write implements actors.Conn.
func (t *terminal) Write(frames []byte) (int, error) {
	for rest := frames; len(rest) > 0; {
		head, n := 2, int(rest[1]) // RFC 6455, section 5.2, without a mask
		switch n {
		case 126:
			head, n = 4, int(binary.BigEndian.Uint16(rest[2:]))
		case 127:
			head, n = 10, int(binary.BigEndian.Uint64(rest[2:]))
		}
		t.frame(protocol.Opcode(rest[0]&15), rest[head:head+n])
		rest = rest[head+n:]
	}
	return len(frames), nil
}

func (t *terminal) frame(op protocol.Opcode, payload []byte) {
	switch op {
	case protocol.OpText:
		var m struct{ Payload, Error string }
		if json.Unmarshal(payload, &m) == nil {
			t.show(m.Payload + m.Error)
		}
	case protocol.OpPing: // the answer confirms all before it; it comes after this call, as all that calls the Link
		pong := bytes.Clone(payload)
		t.shard.Post(job(func() { t.link.Pong(pong) }))
	}
}

// Pause implements actors.Conn.
func (t *terminal) Pause() {}

// Resume implements actors.Conn.
func (t *terminal) Resume() {
	if t.begun != nil {
		close(t.begun)
		t.begun = nil
	}
}

// Close implements actors.Conn.
func (t *terminal) Close(code protocol.CloseCode, _ []byte, _ bool) {
	t.ended <- code
	t.shard.Post(job(func() { t.link.Detach() }))
}
