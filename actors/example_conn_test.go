package actors_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// line is the conn of a front end that is not WebSocket: it hands what the broker writes to a function. All of it belongs
// to the goroutine of its user's shard.
type line struct {
	shard *actors.Shard
	link  *actors.Link
	show  func(message string)
	ready chan struct{} // closed when it is attached
}

// later runs a function on the shard, when the broker's call that is under way has returned.
type later func()

// Run implements actors.Job.
func (f later) Run() { f() }

// Write implements actors.Conn. Frames come whole, since this conn takes them all.
func (l *line) Write(frames []byte) (int, error) {
	for rest := frames; len(rest) > 0; {
		head, n := 2, int(rest[1]) // RFC 6455, section 5.2; a server's frames are not masked
		switch n {
		case 126:
			head, n = 4, int(binary.BigEndian.Uint16(rest[2:]))
		case 127:
			head, n = 10, int(binary.BigEndian.Uint64(rest[2:]))
		}
		payload := string(rest[head : head+n])
		switch protocol.Opcode(rest[0] & 15) {
		case protocol.OpText:
			l.show(payload)
		case protocol.OpPing: // it is answered when all before it has arrived: that confirms it
			l.shard.Post(later(func() { l.link.Pong([]byte(payload)) }))
		}
		rest = rest[head+n:]
	}
	return len(frames), nil
}

// Pause implements actors.Conn: a front end stops reading its client until Resume.
func (l *line) Pause() {}

// Resume implements actors.Conn. The first time says that the conn is attached.
func (l *line) Resume() {
	if l.ready != nil {
		close(l.ready)
		l.ready = nil
	}
}

// Close implements actors.Conn.
func (l *line) Close(code protocol.CloseCode, last []byte, _ bool) {
	l.Write(last)
	l.shard.Post(later(func() { l.link.Detach() }))
}

// A front end of the host's own gives the broker conns. It attaches from any goroutine, by a job of the user's shard.
func ExampleBroker_Attach() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker, err := actors.New(actors.WithStore(exampleStore()))
	if err != nil {
		log.Fatal(err)
	}
	alice := exampleLogin(ctx, broker, "alice's public key")
	shown, ready := make(chan string, 1), make(chan struct{})
	l := &line{shard: broker.ShardFor(alice), show: func(message string) { shown <- message }, ready: ready}
	l.shard.Post(later(func() { l.link = broker.Attach(alice, l, actors.AttachOptions{Profile: actors.Plain}) }))
	<-ready

	payload := []byte("to myself") // the content of a JSON string, escaped as it is there
	l.shard.Post(later(func() {
		l.link.Submit(&actors.Submission{To: alice, Payload: payload, Size: len(payload)})
	}))
	fmt.Println(<-shown)
	fmt.Println(broker.Shutdown(ctx))
	// Output:
	// {"from":"vuw75epzw5frzkjqptw3sqljc56yk33e","to":"vuw75epzw5frzkjqptw3sqljc56yk33e","payload":"to myself"}
	// <nil>
}
