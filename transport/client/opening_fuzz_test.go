package client_test

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/client"
)

// once is a dialer that has one connection to give.
func once(c net.Conn) client.Option {
	return client.WithDialer(func(context.Context, string, string) (conn net.Conn, err error) {
		if conn, c = c, nil; conn == nil {
			err = io.EOF
		}
		return conn, err
	})
}

// inBubble has a fuzz target run on a clock of its own: a client that is left in the middle of something waits, and that
// takes no time.
func inBubble(fn func(t *testing.T, data []byte)) func(t *testing.T, data []byte) {
	return func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) { fn(t, data) })
	}
}

// FuzzOpening feeds a client that can prove its key what a server might say in place of a challenge and ready. A client
// that insists on a proof is never made to believe in one that was not asked for.
func FuzzOpening(f *testing.F) {
	private, err := ecdh.X25519().NewPrivateKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		f.Fatal(err)
	}
	key, err := client.NewKey(private, "")
	if err != nil {
		f.Fatal(err)
	}
	ready := func(proven bool) []byte {
		return text(string(protocol.AppendReady(nil, must(protocol.ParseUserID(key.ID())), proven, protocol.DefaultLimits())))
	}
	challenge := text(fmt.Sprintf(`{"type":"challenge","alg":"x25519","epk":%q,"nonce":%q,"exp":1}`,
		"CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", strings.Repeat("A", 43)))
	f.Add(ready(true))
	f.Add(append(challenge, ready(true)...))
	f.Add(append(challenge, ready(false)...))
	f.Add(text(`{"type":"challenge","alg":"ed25519","epk":"","nonce":"","exp":-1}`))
	f.Add(text(`{"type":"error","code":"PROOF_REQUIRED","error":"x"}`))
	f.Fuzz(inBubble(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			serveRaw(theirs, protocol.Subprotocol, [][]byte{data, protocol.AppendFrame(nil, protocol.OpClose, nil)})
		}()
		// A client that is left in the middle of a frame waits; it is not to wait long.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		c, err := client.Dial(ctx, "http://h", key.ID(), client.WithKey(key), client.RequireProof(), once(ours),
			client.WithBackoff(time.Hour, time.Hour))
		if err == nil {
			if !c.Proven() || !strings.Contains(string(data), "challenge") {
				t.Errorf("%q made the client believe that its key is proved", data)
			}
			finish(t, c)
		}
		<-done
	}))
}

// FuzzLoginAnswer feeds a client what a server might answer to a login: the id is never another than the key's.
func FuzzLoginAnswer(f *testing.F) {
	const key = "alice"
	id := protocol.NewUserID([]byte(key)).String()
	for _, body := range []string{`{"userId":"` + id + `"}`, `{"userId":"x"}`, `{"error":"e","code":"KEY_TOO_LONG"}`, `[]`, ``} {
		for _, status := range []string{"200 OK", "302 Found", "404 Not Found", "429 Too Many Requests", "503 Service Unavailable"} {
			f.Add([]byte("HTTP/1.1 " + status + "\r\nRetry-After: 1\r\nLocation: http://x\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body))
		}
	}
	f.Fuzz(inBubble(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer theirs.Close()
			br := bufio.NewReader(theirs)
			if r, err := http.ReadRequest(br); err == nil {
				io.Copy(io.Discard, r.Body)
				go theirs.Write(data)
				theirs.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // a client that waits for more is not to wait long
				io.Copy(io.Discard, br)
			}
		}()
		if got, err := client.Login(t.Context(), "http://h", key, once(ours)); err == nil && got != id {
			t.Errorf("%q is taken for the id of %s", got, key)
		}
		<-done
	}))
}
