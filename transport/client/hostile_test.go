package client_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

// rawServer answers upgrades itself and then writes the bytes that the test says. It reports the close code that the
// client answers with, -1 for none.
func rawServer(t *testing.T, subprotocol string, bytes ...[]byte) (url string, codes <-chan int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan int, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case out <- serveRaw(c, subprotocol, bytes):
			default: // the client comes again and again, and the test has seen enough
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String(), out
}

func serveRaw(c net.Conn, subprotocol string, bytes [][]byte) int {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil {
		return -1
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if subprotocol != "" {
		head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	// In one write: frames may come with the handshake.
	all := []byte(head + "\r\n")
	for _, b := range bytes {
		all = append(all, b...)
	}
	go c.Write(all) // until c is closed: a pipe has no buffer, and the client may want to write first
	return closeCode(br)
}

// closeCode reads masked frames until a Close.
func closeCode(r io.Reader) int {
	for {
		var h [2]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return -1
		}
		n := int(h[1] & 0x7f)
		switch n {
		case 126:
			var l [2]byte
			io.ReadFull(r, l[:])
			n = int(binary.BigEndian.Uint16(l[:]))
		case 127:
			return -2
		}
		mask := make([]byte, 4)
		io.ReadFull(r, mask)
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return -1
		}
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
		if h[0]&0xf == 8 {
			if n < 2 {
				return 0
			}
			return int(binary.BigEndian.Uint16(payload))
		}
	}
}

func text(s string) []byte { return protocol.AppendFrame(nil, protocol.OpText, []byte(s)) }

func readyFrame() []byte {
	return text(string(protocol.AppendReady(nil, must(protocol.ParseUserID(alice)), false, protocol.DefaultLimits())))
}

func messageFrame(format string) []byte {
	return text(fmt.Sprintf(`{"type":"message","from":%q,"to":%q,`, bob, alice) + format + `}`)
}

// TestHostile_Bytes: whatever a server sends ends in a close with the right code, in ErrProtocol, and in another
// attempt later; never in a panic, a hang or a message.
func TestHostile_Bytes(t *testing.T) {
	huge := []byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for name, tt := range map[string]struct {
		code   int
		frames [][]byte
	}{
		"reserved bits":              {1002, [][]byte{{0xC1, 0}}},
		"reserved opcode":            {1002, [][]byte{{0x83, 0}}},
		"masked":                     {1002, [][]byte{{0x81, 0x80, 1, 2, 3, 4}}},
		"length with the high bit":   {1002, [][]byte{{0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}}},
		"8 EiB":                      {1009, [][]byte{huge}},
		"fragments over the limit":   {1009, [][]byte{{0x01, 0}, append([]byte{0x00, 126, 0xff, 0xff}, make([]byte, 65535)...), {0x00, 127, 0, 0, 0, 0, 0, 0x10, 0, 0}}},
		"continuation of nothing":    {1002, [][]byte{{0x80, 0}}},
		"message within a message":   {1002, [][]byte{{0x01, 0}, {0x81, 0}}},
		"fragmented ping":            {1002, [][]byte{{0x09, 0}}},
		"long ping":                  {1002, [][]byte{{0x89, 126, 0, 200}}},
		"binary":                     {1003, [][]byte{{0x82, 2, '{', '}'}}},
		"invalid UTF-8":              {1007, [][]byte{{0x81, 1, 0xff}}},
		"invalid UTF-8 in fragments": {1007, [][]byte{{0x01, 1, 0xc3}, {0x89, 0}, {0x80, 1, '('}}},
		"close of one byte":          {1002, [][]byte{{0x88, 1, 3}}},
		"close with 1006":            {1002, [][]byte{{0x88, 2, 3, 0xee}}},
		"close with 1005":            {1002, [][]byte{{0x88, 2, 3, 0xed}}},
		"close with 1015":            {1002, [][]byte{{0x88, 2, 3, 0xf7}}},
		"close with 5000":            {1002, [][]byte{{0x88, 2, 0x13, 0x88}}},
		"close with 999":             {1002, [][]byte{{0x88, 2, 3, 0xe7}}},
		"close with bad UTF-8":       {1002, [][]byte{{0x88, 3, 3, 0xe8, 0xff}}},
		"no JSON":                    {1002, [][]byte{text("hello")}},
		"empty":                      {1002, [][]byte{text("")}},
		"an array":                   {1002, [][]byte{text("[]")}},
		"null":                       {1002, [][]byte{text("null")}},
		"trailing bytes":             {1002, [][]byte{text(`{"type":"drained"}x`)}},
		"no type":                    {1002, [][]byte{text(`{"from":"x"}`)}},
		"type is a number":           {1002, [][]byte{text(`{"type":1}`)}},
		"second ready":               {1002, [][]byte{readyFrame()}},
		"late challenge":             {1002, [][]byte{text(`{"type":"challenge"}`)}},
		"deep nesting":               {1002, [][]byte{text(strings.Repeat(`{"a":`, 100_000))}},
		"message without seq":        {1002, [][]byte{messageFrame(`"payload":"x"`)}},
		"message without payload":    {1002, [][]byte{messageFrame(`"seq":1`)}},
		"payload is null":            {1002, [][]byte{messageFrame(`"seq":1,"payload":null`)}},
		"seq too high":               {1002, [][]byte{messageFrame(`"payload":"x","seq":9007199254740992`)}},
		"seq negative":               {1002, [][]byte{messageFrame(`"payload":"x","seq":-1`)}},
		"seq a fraction":             {1002, [][]byte{messageFrame(`"payload":"x","seq":1.5`)}},
		"id of a control character":  {1002, [][]byte{messageFrame(`"payload":"x","seq":1,"id":"\u0007"`)}},
		"id too long":                {1002, [][]byte{messageFrame(`"payload":"x","seq":1,"id":"` + strings.Repeat("i", 65) + `"`)}},
		"to another user":            {1002, [][]byte{text(fmt.Sprintf(`{"type":"message","from":%q,"to":%[1]q,"payload":"x","seq":1}`, bob))}},
		"from nobody":                {1002, [][]byte{text(fmt.Sprintf(`{"type":"message","from":"X","to":%q,"payload":"x","seq":1}`, alice))}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, codes := rawServer(t, protocol.Subprotocol, append([][]byte{readyFrame()}, tt.frames...)...)
			c, err := client.Dial(t.Context(), url, alice, client.WithBackoff(time.Millisecond, time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // and again on the next connection
				if code := <-codes; code != tt.code {
					t.Errorf("closed with %d, want %d", code, tt.code)
				}
			}
			nothing(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c.Close(ctx)
		})
	}
}

func TestHostile_BeforeReady(t *testing.T) {
	for name, tt := range map[string]struct {
		code   int
		frames [][]byte
	}{
		"message":               {1002, [][]byte{messageFrame(`"seq":1,"payload":"x"`)}},
		"ready for another":     {1002, [][]byte{text(fmt.Sprintf(`{"type":"ready","userId":%q}`, bob))}},
		"negative limits":       {1002, [][]byte{text(fmt.Sprintf(`{"type":"ready","userId":%q,"limits":{"maxUnacked":-1}}`, alice))}},
		"limits overflow":       {1002, [][]byte{text(fmt.Sprintf(`{"type":"ready","userId":%q,"limits":{"maxUnacked":1e30}}`, alice))}},
		"over 4 KiB":            {1009, [][]byte{text(strings.Repeat(" ", 5000))}},
		"challenge, bad nonce":  {1002, [][]byte{text(`{"type":"challenge","alg":"x","epk":"","nonce":"AAAA","exp":1}`)}},
		"challenge, bad epk":    {1002, [][]byte{text(`{"type":"challenge","alg":"x","epk":"=","nonce":"` + strings.Repeat("A", 43) + `","exp":1}`)}},
		"challenge without alg": {1002, [][]byte{text(`{"type":"challenge","epk":"","nonce":"` + strings.Repeat("A", 43) + `","exp":1}`)}},
		"two challenges": {1002, [][]byte{text(`{"type":"challenge","alg":"x","nonce":"` + strings.Repeat("A", 43) + `"}`),
			text(`{"type":"challenge","alg":"x","nonce":"` + strings.Repeat("A", 43) + `"}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, codes := rawServer(t, protocol.Subprotocol, tt.frames...)
			c, err := client.Dial(t.Context(), url, alice)
			if !errors.Is(err, client.ErrProtocol) {
				t.Errorf("dial: %v", err)
			}
			if err == nil {
				finish(t, c)
			}
			if code := <-codes; code != tt.code {
				t.Errorf("closed with %d, want %d", code, tt.code)
			}
		})
	}
}

// Frames that come in one segment with the answer to the upgrade are not lost, nor bound by the handshake's limit.
func TestHostile_FramesWithTheHandshake(t *testing.T) {
	frames := [][]byte{readyFrame()}
	for i := range 40 {
		frames = append(frames, messageFrame(fmt.Sprintf(`"seq":%d,"payload":%q`, i+1, strings.Repeat("x", 1000))))
	}
	url, _ := rawServer(t, protocol.Subprotocol, frames...)
	c, err := client.Dial(t.Context(), url, alice)
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	for i := range 40 {
		if m := receive(t, c); m.Seq != uint64(i+1) || len(m.Payload) != 1000 {
			t.Fatalf("received %d, %d bytes", m.Seq, len(m.Payload))
		}
	}
}

func TestHostile_Fragments(t *testing.T) {
	whole := messageFrame(`"seq":1,"payload":"äöü"`)[4:] // a header of 4 bytes
	var frames [][]byte
	for i := range whole {
		b := byte(0)
		if i == 0 {
			b = 1
		}
		if i == len(whole)-1 {
			b |= 0x80
		}
		frames = append(frames, []byte{b, 1, whole[i]}, []byte{0x89, 1, byte(i)})
	}
	url, _ := rawServer(t, protocol.Subprotocol, append([][]byte{readyFrame()}, frames...)...)
	c, err := client.Dial(t.Context(), url, alice)
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	if m := receive(t, c); m.Payload != "äöü" {
		t.Errorf("received %q", m.Payload)
	}
}

// A handshake that never ends is cut short by size, not by the caller's patience.
func TestHostile_EndlessHandshake(t *testing.T) {
	for name, answer := range map[string]string{
		"header line": "HTTP/1.1 101 Switching Protocols\r\nX: ",
		"headers":     "HTTP/1.1 101 Switching Protocols\r\n",
		"status":      "HTTP/1.1 9",
		"body":        "HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			written := make(chan int, 1)
			go func() {
				defer theirs.Close()
				http.ReadRequest(bufio.NewReader(theirs))
				n, _ := io.WriteString(theirs, answer)
				filler := []byte(strings.Repeat("9", 1024))
				if name == "headers" {
					filler = bytes.Repeat([]byte("A: b\r\n"), 200)
				}
				for {
					k, err := theirs.Write(filler)
					if n += k; err != nil || n > 1<<20 {
						break
					}
				}
				written <- n
			}()
			_, err := client.Dial(t.Context(), "http://h", alice, client.WithDialer(func(context.Context, string, string) (net.Conn, error) {
				return ours, nil
			}))
			if err == nil {
				t.Fatal("no error")
			}
			if n := <-written; n > 128<<10 {
				t.Errorf("took %d bytes", n)
			}
		})
	}
}

func TestHostile_WrongSubprotocol(t *testing.T) {
	url, _ := rawServer(t, "something.else")
	if c, err := client.Dial(t.Context(), url, alice); err == nil {
		t.Error("a subprotocol that was not offered was taken")
		finish(t, c)
	}
}

func TestHostile_UnknownFramesAreIgnored(t *testing.T) {
	url, _ := rawServer(t, protocol.Subprotocol, text(`{"type":"hello","x":{"y":[]}}`), readyFrame(),
		text(`{"type":"weather","sunny":true}`), messageFrame(`"seq":1,"payload":"x","extra":{"a":1}`))
	c, err := client.Dial(t.Context(), url, alice)
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, c)
	receive(t, c)
}

// A close is answered with its own code, so that the server need not linger.
func TestHostile_CloseIsAnswered(t *testing.T) {
	for _, code := range []int{0, 1000, 1001, 1008, 1009, 1011, 1013, 3000, 4000, 4409} {
		frame := protocol.AppendFrame(nil, protocol.OpClose, nil)
		if code != 0 {
			frame = protocol.AppendFrame(nil, protocol.OpClose, binary.BigEndian.AppendUint16(nil, uint16(code)))
		}
		url, codes := rawServer(t, protocol.Subprotocol, readyFrame(), frame)
		c, err := client.Dial(t.Context(), url, alice, client.WithBackoff(time.Hour, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if got := <-codes; got != code {
			t.Errorf("%d answered with %d", code, got)
		}
		finish(t, c)
	}
}

// FuzzServer feeds a client what a server might say after ready.
func FuzzServer(f *testing.F) {
	f.Add([]byte{0x81, 0}, true)
	f.Add(messageFrame(`"seq":1,"payload":"x"`), true)
	f.Add(text(`{"type":"going_away","reconnectMs":5}`), true)
	f.Add(text(fmt.Sprintf(`{"from":%q,"to":%q,"payload":"x"}`, bob, alice)), false)
	f.Add([]byte{0x88, 2, 0x11, 0x39}, false)
	f.Fuzz(func(t *testing.T, data []byte, v1 bool) {
		ours, theirs := net.Pipe()
		sub, first := protocol.Subprotocol, readyFrame()
		if !v1 {
			sub, first = "", protocol.AppendFrame(nil, protocol.OpPong, nil)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			serveRaw(theirs, sub, [][]byte{first, data})
		}()
		dials := 0
		c, err := client.Dial(t.Context(), "http://h", alice, client.WithBackoff(time.Hour, time.Hour),
			client.WithDialer(func(context.Context, string, string) (net.Conn, error) {
				if dials++; dials > 1 {
					return nil, io.EOF
				}
				return ours, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		finish(t, c)
		<-done
	})
}
