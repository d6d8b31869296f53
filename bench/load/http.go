package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// The key of RFC 6455, section 1.3, and what a server answers to it: a key that is always the same is allowed, and the
// answer need not be computed for every connection.
const (
	upgradeHeaders = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	upgradeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

	maxHeaders = 16 << 10
)

// answer is an HTTP response. Its slices point into what was parsed.
type answer struct {
	status int
	header []byte
	body   []byte
	size   int // of all of it
}

// parseAnswer reads a response with a Content-Length or without a body; nil if it has not come as a whole.
func parseAnswer(data []byte) (*answer, error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		if len(data) > maxHeaders {
			return nil, errors.New("the server's answer has no end of its headers")
		}
		return nil, nil
	}
	line, header, _ := bytes.Cut(data[:end+2], []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return nil, fmt.Errorf("no HTTP answer: %.40q", line)
	}
	a := &answer{header: header, size: end + 4}
	var err error
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return nil, fmt.Errorf("no HTTP answer: %.40q", line)
	}
	length := 0
	if text := a.field("content-length"); text != nil {
		if length, err = strconv.Atoi(string(text)); err != nil || length < 0 || length > maxFrame {
			return nil, fmt.Errorf("the answer's Content-Length is %.40q", text)
		}
	}
	if len(data) < a.size+length {
		return nil, nil
	}
	a.body = data[a.size : a.size+length]
	a.size += length
	return a, nil
}

// field returns the value of a header field, nil if there is none.
func (a *answer) field(name string) []byte {
	for rest := a.header; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}

func (a *answer) checkUpgrade() error {
	if a.status != 101 {
		return fmt.Errorf("status %d: %.200s", a.status, bytes.TrimSpace(a.body))
	}
	if accept := a.field("sec-websocket-accept"); string(accept) != upgradeAccept {
		return fmt.Errorf("Sec-WebSocket-Accept is %q, want %q", accept, upgradeAccept)
	}
	return nil
}

// closeError is the end of a connection that the server closes by itself.
func closeError(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("the server closed the connection without a code")
	}
	return fmt.Errorf("the server closed the connection with %d %s", binary.BigEndian.Uint16(payload), payload[2:])
}
