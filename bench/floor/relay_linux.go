package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

const (
	loginPath = "GET /login/"
	webSocket = "GET /ws/"
	guid      = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3
	keyField  = "Sec-WebSocket-Key: "
	maskSize  = 4
)

// request answers one HTTP request and returns its size: 0 if it has not come as a whole, -1 if it is not understood.
func (l *loop) request(c *conn, data []byte) int {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	head := data[:end+2]
	path, _, _ := bytes.Cut(head, []byte(" HTTP/1.1\r\n"))
	switch {
	case bytes.HasPrefix(path, []byte(loginPath)):
		id := protocol.NewUserID(path[len(loginPath):])
		body := fmt.Sprintf(`{"userId":"%s","user":"%s"}`, id, id)
		c.out = fmt.Appendf(c.out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	case bytes.HasPrefix(path, []byte(webSocket)):
		_, rest, _ := bytes.Cut(head, []byte(keyField))
		key, _, _ := bytes.Cut(rest, []byte("\r\n"))
		sum := sha1.Sum(append(bytes.Clone(key), guid...))
		c.out = fmt.Appendf(c.out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		c.user = string(path[len(webSocket):])
		l.users[c.user] = c
	default:
		return -1
	}
	l.touch(c)
	return end + 4
}

// frame relays one frame and returns its size: 0 if it has not come as a whole, -1 if it is not understood.
func (l *loop) frame(c *conn, data []byte) int {
	if len(data) < 2 {
		return 0
	}
	head, n := 2, int(data[1]&0x7F)
	switch n {
	case 126:
		if head = 4; len(data) < head {
			return 0
		}
		n = int(binary.BigEndian.Uint16(data[2:]))
	case 127:
		if head = 10; len(data) < head {
			return 0
		}
		n = int(binary.BigEndian.Uint64(data[2:]) & (1<<32 - 1))
	}
	head += maskSize
	if data[1]&0x80 == 0 {
		return -1
	}
	if len(data) < head+n {
		return 0
	}
	payload := data[head : head+n]
	unmask(payload, binary.LittleEndian.Uint32(data[head-maskSize:]))
	switch protocol.Opcode(data[0] & 0xF) {
	case protocol.OpText, protocol.OpBinary:
		l.relay(payload)
	case protocol.OpPing:
		c.out = protocol.AppendFrame(c.out, protocol.OpPong, payload)
		l.touch(c)
	case protocol.OpClose:
		c.out = protocol.AppendFrame(c.out, protocol.OpClose, payload)
		c.last = true
		l.touch(c)
	}
	return head + n
}

// relay queues a message at its recipient.
func (l *loop) relay(message []byte) {
	const name = `"to":"`
	at := bytes.Index(message, []byte(name))
	if at < 0 || len(message) < at+len(name)+protocol.UserIDLen {
		return
	}
	if to := l.users[string(message[at+len(name):][:protocol.UserIDLen])]; to != nil {
		to.out = protocol.AppendFrame(to.out, protocol.OpText, message)
		l.touch(to)
	}
}

// unmask applies a mask key, eight bytes at a time.
func unmask(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(wide >> (8 * i))
	}
}
