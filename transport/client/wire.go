package client

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/gobwas/ws"
)

// wire is the WebSocket on a byte stream: frames in both directions, nothing of what they mean. One goroutine reads
// and one writes.
type wire struct {
	stream net.Conn
	raw    net.Conn // carries stream; the same where there is no TLS

	// Owned by the reader.
	br    *bufio.Reader
	limit int64  // of a message in bytes
	buf   []byte // the last message; reused

	start time.Time    // of the opening handshake; static
	heard atomic.Int64 // when bytes last arrived, in ns since start
}

const (
	// keptBuffer bounds the read buffer that is kept between messages.
	keptBuffer = 64 << 10
	// handshakeBytes bounds the answer to the upgrade. gobwas/ws reads header lines of any length.
	handshakeBytes = 16 << 10
)

// upgrade does the opening handshake. It returns the subprotocol that the server chose, empty for none.
func upgrade(stream, raw net.Conn, u *url.URL, d ws.Dialer, limit int) (*wire, string, error) {
	bounded := struct {
		io.Reader
		io.Writer
	}{io.LimitReader(stream, handshakeBytes), stream}
	rest, hs, err := d.Upgrade(bounded, u)
	if err != nil {
		return nil, "", err
	}
	w := &wire{stream: stream, raw: raw, limit: int64(limit), start: time.Now()}
	var in io.Reader = (*heardReader)(w)
	if rest != nil {
		// Frames that came with the answer are in the bounded reader's buffer, which must not be read on.
		early, _ := rest.Peek(rest.Buffered())
		in = io.MultiReader(bytes.NewReader(bytes.Clone(early)), in)
		ws.PutReader(rest)
	}
	w.br = bufio.NewReaderSize(in, 4096)
	return w, hs.Protocol, nil
}

// heardReader notes when bytes arrive. A slow large frame is a sign of life too.
type heardReader wire

func (r *heardReader) Read(p []byte) (int, error) {
	n, err := r.stream.Read(p)
	if n > 0 {
		(*wire)(r).hear()
	}
	return n, err
}

// hear counts as a sign of life.
func (w *wire) hear() { w.heard.Store(int64(time.Since(w.start))) }

// silence is how long nothing has arrived.
func (w *wire) silence() time.Duration { return time.Since(w.start) - time.Duration(w.heard.Load()) }

// read returns the next message or control frame. A message is whole, text, valid UTF-8 and within the limit. The
// payload is valid until the next read. control is called for control frames between a message's fragments.
func (w *wire) read(control func(ws.OpCode, []byte) error) (ws.OpCode, []byte, error) {
	state := ws.StateClientSide
	msg := w.buf[:0]
	if cap(w.buf) > keptBuffer {
		w.buf, msg = nil, nil
	}
	for {
		h, err := ws.ReadHeader(w.br)
		if err != nil {
			return 0, nil, headerError(err)
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return 0, nil, breach("%v", err)
		}
		if h.OpCode.IsControl() {
			payload := make([]byte, h.Length)
			if _, err := io.ReadFull(w.br, payload); err != nil {
				return 0, nil, err
			}
			if !state.Fragmented() {
				return h.OpCode, payload, nil
			}
			if err := control(h.OpCode, payload); err != nil {
				return 0, nil, err
			}
			continue
		}
		if msg, err = w.fragment(msg, h); err != nil {
			return 0, nil, err
		}
		if state = state.Set(ws.StateFragmented); h.Fin {
			break
		}
	}
	w.buf = msg
	if !utf8.Valid(msg) {
		return 0, nil, &violation{status: protocol.CloseInvalidData, what: "invalid UTF-8"}
	}
	return ws.OpText, msg, nil
}

// fragment appends a data frame's payload to the message.
func (w *wire) fragment(msg []byte, h ws.Header) ([]byte, error) {
	if h.OpCode == ws.OpBinary {
		return nil, &violation{status: 1003, what: "binary frame"}
	}
	if h.Length > w.limit-int64(len(msg)) {
		return nil, &violation{status: protocol.CloseTooLarge,
			what: fmt.Sprintf("message over %d bytes (WithReadLimit)", w.limit)}
	}
	n := len(msg)
	msg = append(msg, make([]byte, h.Length)...)
	_, err := io.ReadFull(w.br, msg[n:])
	return msg, err
}

// headerError tells a malformed header from a broken link.
func headerError(err error) error {
	if err == ws.ErrHeaderLengthMSB || err == ws.ErrHeaderLengthUnexpected {
		return breach("%v", err)
	}
	return err
}

// write writes whole frames. It takes timeout at most.
func (w *wire) write(frames []byte, timeout time.Duration) error {
	if err := w.stream.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := w.stream.Write(frames)
	return err
}

// appendFrame appends a masked frame.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	const fin, masked, length16, length64 = 0x80, 0x80, 126, 127
	dst = append(dst, fin|byte(op))
	switch n := len(payload); {
	case n < length16:
		dst = append(dst, masked|byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, masked|length16), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, masked|length64), uint64(n))
	}
	mask := ws.NewMask()
	dst = append(dst, mask[:]...)
	dst = append(dst, payload...)
	ws.Cipher(dst[len(dst)-len(payload):], mask, 0)
	return dst
}

// appendClose appends a Close frame; status 0 makes one without a status.
func appendClose(dst []byte, status protocol.CloseCode) []byte {
	if status == 0 {
		return appendFrame(dst, ws.OpClose, nil)
	}
	return appendFrame(dst, ws.OpClose, binary.BigEndian.AppendUint16(nil, uint16(status)))
}

// parseClose reads a Close frame's payload. It does not use the check of gobwas/ws, which knows no 1013.
func parseClose(payload []byte) (protocol.CloseCode, string, error) {
	switch {
	case len(payload) == 0:
		return 0, "", nil
	case len(payload) == 1 || !utf8.Valid(payload[2:]):
		return 0, "", breach("malformed close frame")
	}
	status := protocol.CloseCode(binary.BigEndian.Uint16(payload))
	if status < 1000 || status == 1005 || status == 1006 || status == 1015 || status > 4999 {
		return 0, "", breach("close code %d", status)
	}
	return status, printable(string(payload[2:])), nil
}
