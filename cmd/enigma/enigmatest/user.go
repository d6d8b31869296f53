package enigmatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Frame is one JSON text the server sent: a message or an error.
type Frame struct {
	From, To, Payload string
	Error, Code       string
	Raw               string // as it came
}

// User is a connected user, a client of the plain profile written only from the protocol's specification. A goroutine
// of its own reads, and so answers Pings, until the connection ends.
type User struct {
	ID string

	t      testing.TB
	conn   *websocket.Conn
	frames chan Frame    // what came, closed after the last
	ended  chan struct{} // closed when err is set
	err    error         // how the connection ended

	mu     sync.Mutex
	fenced chan struct{} // guarded by mu: closed once a Ping has come behind the last frame
}

// frameBacklog is how many frames a User takes in that its test has not asked for. It reads no further then, which
// the server sees as a slow reader.
const frameBacklog = 1 << 17

// Get fetches a path of the front end and decodes the JSON answer.
func (s *Server) Get(path string) (status int, body map[string]any) {
	s.t.Helper()
	resp, err := s.client.Get(s.URL(path))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &body); err != nil {
		s.t.Fatalf("GET %s: %v in %q", path, err, text)
	}
	return resp.StatusCode, body
}

// Login logs a public key in and returns the user's id.
func (s *Server) Login(key string) string {
	s.t.Helper()
	status, body := s.Get("/login/" + url.PathEscape(key))
	id, _ := body["userId"].(string)
	if status != http.StatusOK || id == "" {
		s.t.Fatalf("login: %d %v", status, body)
	}
	return id
}

// Key fetches a user's public key.
func (s *Server) Key(id string) string {
	s.t.Helper()
	status, body := s.Get("/connect/" + id)
	key, _ := body["publicKey"].(string)
	if status != http.StatusOK || body["userId"] != id {
		s.t.Fatalf("connect %s: %d %v", id, status, body)
	}
	return key
}

// Connect opens the user's WebSocket. It closes with the test, at the latest.
func (s *Server) Connect(id string) *User {
	s.t.Helper()
	u, err := s.TryConnect(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// TryConnect is Connect where a failure to connect is no failure of the test.
func (s *Server) TryConnect(id string) (*User, error) {
	ctx, cancel := context.WithTimeout(context.Background(), replyWithin)
	defer cancel()
	u := &User{ID: id, t: s.t, frames: make(chan Frame, frameBacklog), ended: make(chan struct{}), fenced: make(chan struct{})}
	options := &websocket.DialOptions{HTTPClient: s.client, OnPingReceived: func(context.Context, []byte) bool {
		u.mark(true)
		return true
	}}
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL("/ws/"+id), "http"), options)
	if err != nil {
		return nil, err
	}
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
	u.conn = conn
	conn.SetReadLimit(-1)
	go u.read()
	s.t.Cleanup(u.Drop)
	return u, nil
}

func (u *User) read() {
	defer close(u.ended)
	defer close(u.frames)
	for {
		_, text, err := u.conn.Read(context.Background())
		if err != nil {
			u.err = err
			return
		}
		f := Frame{Raw: string(text)}
		decoder := json.NewDecoder(bytes.NewReader(text))
		if err := decoder.Decode(&f); err != nil {
			f.Error = "not JSON: " + err.Error()
		}
		u.mark(false)
		u.frames <- f
	}
}

// mark notes whether the last thing that came was a Ping. The reading goroutine calls it.
func (u *User) mark(fenced bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.fenced:
		if !fenced {
			u.fenced = make(chan struct{})
		}
	default:
		if fenced {
			close(u.fenced)
		}
	}
}

// AwaitConfirm waits until all frames that have come are confirmed: a Ping has come behind them, and the Pong has gone
// out before anything that is sent from now on.
func (u *User) AwaitConfirm() {
	u.t.Helper()
	u.mu.Lock()
	fenced := u.fenced
	u.mu.Unlock()
	select {
	case <-fenced:
	case <-time.After(replyWithin):
		u.t.Fatalf("no Ping came in %s", replyWithin)
	}
	// The reading goroutine takes in the answer to a Ping of our own only after it has written its Pong.
	ctx, cancel := context.WithTimeout(context.Background(), replyWithin)
	defer cancel()
	if err := u.conn.Ping(ctx); err != nil {
		u.t.Fatal(err)
	}
}

// Send sends a message in the plain profile's form.
func (u *User) Send(to, payload string) {
	u.t.Helper()
	if err := u.TrySend(to, payload); err != nil {
		u.t.Fatal(err)
	}
}

// TrySend is Send where a connection that has ended is no failure of the test.
func (u *User) TrySend(to, payload string) error {
	text, err := json.Marshal(map[string]string{"from": u.ID, "to": to, "payload": payload})
	if err != nil {
		return err
	}
	return u.SendText(string(text))
}

// SendText sends a text frame as it stands.
func (u *User) SendText(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), replyWithin)
	defer cancel()
	return u.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// Next returns the next frame; ok is false when the connection has ended instead.
func (u *User) Next() (f Frame, ok bool) {
	u.t.Helper()
	select {
	case f, ok = <-u.frames:
		return f, ok
	case <-time.After(replyWithin):
		u.t.Fatalf("nothing came in %s", replyWithin)
		return Frame{}, false
	}
}

// Expect returns the next frame and fails the test if there is none.
func (u *User) Expect() Frame {
	u.t.Helper()
	f, ok := u.Next()
	if !ok {
		u.t.Fatalf("the connection ended: %v", u.err)
	}
	return f
}

// Closed waits for the end of the connection and returns its close status, -1 for an end without a close frame.
// Frames that nobody asked for are discarded.
func (u *User) Closed() websocket.StatusCode {
	u.t.Helper()
	select {
	case <-u.ended:
		return websocket.CloseStatus(u.err)
	case <-time.After(replyWithin):
		u.t.Fatalf("the connection has not ended in %s", replyWithin)
		return -1
	}
}

// Leave closes the connection as a client should and waits for the server's answer.
func (u *User) Leave() {
	u.t.Helper()
	if err := u.conn.Close(websocket.StatusNormalClosure, ""); err != nil && !errors.Is(err, io.EOF) {
		u.t.Logf("close: %v", err)
	}
	<-u.ended
}

// Drop ends the connection without a word, as a lost network does.
func (u *User) Drop() {
	_ = u.conn.CloseNow() // closed already is as good
	<-u.ended
}
