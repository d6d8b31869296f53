package main

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/enigma-protocol/enigma/bench/load"
)

// natsDialect is the NATS client protocol over WebSocket: a text protocol in binary frames, whose boundaries mean
// nothing. A user subscribes to the subject of its id. Messages are delivered at most once, and nobody is told.
type natsDialect struct{ text []byte }

// Name implements [load.Dialect].
func (*natsDialect) Name() string { return "nats" }

// Login implements [load.Dialect].
func (*natsDialect) Login(*load.User) string { return "" }

// LoggedIn implements [load.Dialect].
func (*natsDialect) LoggedIn(*load.User, []byte) error { return nil }

// Upgrade implements [load.Dialect].
func (*natsDialect) Upgrade(*load.User) (string, string) { return "/", "" }

// Greet implements [load.Dialect]. The server answers in order, so that a PONG follows the subscription.
func (*natsDialect) Greet(c *load.Conn) {
	c.Stream([]byte(`CONNECT {"verbose":false,"pedantic":false,"lang":"go","version":"1","protocol":1}` + "\r\n"))
	c.Stream([]byte("SUB " + c.User.ID + " 1\r\nPING\r\n"))
}

// Send implements [load.Dialect].
func (d *natsDialect) Send(c *load.Conn, to *load.User, _ load.MessageID, payload []byte) {
	t := append(append(d.text[:0], "PUB "...), to.ID...)
	t = strconv.AppendInt(append(t, ' '), int64(len(payload)), 10)
	t = append(append(t, "\r\n"...), payload...)
	d.text = append(t, "\r\n"...)
	c.Stream(d.text)
}

// Pong implements [load.Dialect].
func (*natsDialect) Pong(*load.Conn, load.Events) {}

// Confirm implements [load.Dialect].
func (*natsDialect) Confirm(*load.Conn) {}

// Receive implements [load.Dialect].
func (d *natsDialect) Receive(c *load.Conn, frame []byte, events load.Events) error {
	return whole(c, frame, func(data []byte) (int, error) { return d.operation(c, data, events) })
}

// operation takes the first operation off data and returns its size, 0 if it has not come as a whole.
func (*natsDialect) operation(c *load.Conn, data []byte, events load.Events) (int, error) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		return 0, nil
	}
	line, size := bytes.TrimSuffix(data[:end], []byte{'\r'}), end+1
	switch {
	case bytes.HasPrefix(line, []byte("MSG ")):
		n, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
		if err != nil {
			return 0, fmt.Errorf("nats: %q", line)
		}
		if len(data) < size+n+2 {
			return 0, nil
		}
		subject, _, _ := bytes.Cut(line[len("MSG "):], []byte{' '})
		events.Message(c, &load.Message{To: subject, Payload: data[size : size+n]})
		return size + n + 2, nil
	case bytes.Equal(line, []byte("PONG")):
		events.Ready(c)
	case bytes.Equal(line, []byte("PING")):
		c.Stream([]byte("PONG\r\n"))
	case bytes.HasPrefix(line, []byte("INFO ")), bytes.Equal(line, []byte("+OK")):
	default:
		return 0, fmt.Errorf("nats: %q", line)
	}
	return size, nil
}

// whole hands what a stream has brought to take, piece by piece, and keeps the rest for the next frame.
func whole(c *load.Conn, frame []byte, take func([]byte) (int, error)) error {
	if len(c.State.Pending) > 0 {
		c.State.Pending = append(c.State.Pending, frame...)
		frame = c.State.Pending
	}
	for len(frame) > 0 {
		n, err := take(frame)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		frame = frame[n:]
	}
	c.State.Pending = append(c.State.Pending[:0], frame...)
	return nil
}
