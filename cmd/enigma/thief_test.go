package main_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// thief knows the id of a user who has proved possession of its key once, and wants its mail. She has the protocol's
// text, a key of her own, and as many connections as she likes.
type thief struct {
	t      *testing.T
	s      *enigmatest.Server
	victim string
	seen   *client.Key // the victim's; what she has seen of its use
}

// dial opens a connection on enigma.v1 as the victim.
func (th *thief) dial() *websocket.Conn {
	th.t.Helper()
	ctx, cancel := context.WithTimeout(th.t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+th.s.Addr+"/ws/"+th.victim, &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
	if err != nil {
		th.t.Fatal(err)
	}
	th.t.Cleanup(func() { c.CloseNow() })
	return c
}

// open opens a connection on enigma.v1 as the victim and returns the challenge.
func (th *thief) open() (*websocket.Conn, string) {
	th.t.Helper()
	c := th.dial()
	challenge := th.hears(c)
	if !strings.Contains(challenge, `"challenge"`) {
		th.t.Fatalf("got %s, want a challenge", challenge)
	}
	return c, challenge
}

// hears returns the next frame.
func (th *thief) hears(c *websocket.Conn) string {
	th.t.Helper()
	ctx, cancel := context.WithTimeout(th.t.Context(), patience)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err != nil {
		th.t.Fatal(err)
	}
	return string(text)
}

// gets reads all that a connection brings, to its end, and fails the test unless that is the refusal and nothing else.
func (th *thief) gets(what string, c *websocket.Conn) {
	th.t.Helper()
	th.refused(what, c, th.hears(c))
}

// refused is gets for a connection that has brought a frame already.
func (th *thief) refused(what string, c *websocket.Conn, text string) {
	th.t.Helper()
	if want := string(protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil)); text != want {
		th.t.Errorf("%s: the thief gets %s", what, text)
	}
	ctx, cancel := context.WithTimeout(th.t.Context(), patience)
	defer cancel()
	if _, more, err := c.Read(ctx); websocket.CloseStatus(err) != 4401 {
		th.t.Errorf("%s: the thief gets more: %s, %v", what, more, err)
	}
}

// answer is the proof frame that a key's owner sends.
func (th *thief) answer(key *client.Key, challenge string) string {
	th.t.Helper()
	var frame struct {
		Alg, EPK, Nonce string
		Exp             int64
	}
	if err := json.Unmarshal([]byte(challenge), &frame); err != nil {
		th.t.Fatal(err)
	}
	decode := base64.RawURLEncoding.DecodeString
	challenged := &protocol.Challenge{Alg: frame.Alg, EPK: must(decode(frame.EPK)), Nonce: must(decode(frame.Nonce)), Exp: frame.Exp}
	user, _ := protocol.ParseUserID(key.ID())
	proof, err := key.Prove(th.t.Context(), challenged, protocol.Claim{Authority: th.s.Addr, User: user})
	if err != nil {
		th.t.Fatal(err)
	}
	return string(protocol.AppendProof(nil, proof))
}

// says sends a text frame.
func (th *thief) says(c *websocket.Conn, text string) {
	if err := c.Write(th.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		th.t.Error(err)
	}
}

// attempt tries everything that takes no time.
func (th *thief) attempt() {
	th.t.Helper()
	if tryPlain(th.t, th.s, th.victim) {
		th.t.Error("plain: the thief gets in")
	}
	for what, text := range map[string]string{
		"declined":    `{"type":"proof"}`,
		"zeros":       `{"type":"proof","tag":"` + strings.Repeat("A", 43) + `"}`,
		"a signature": `{"type":"proof","sig":"` + strings.Repeat("A", 86) + `"}`,
		"mail":        fmt.Sprintf(`{"type":"send","id":"1","to":%q,"payload":"x"}`, th.victim),
		"a confirm":   `{"type":"recv","seq":9007199254740990}`,
		"5 KiB":       `{"type":"proof"` + strings.Repeat(" ", 5<<10) + `}`,
	} {
		c, _ := th.open()
		th.says(c, text)
		th.gets(what, c)
	}
	c, challenge := th.open()
	th.says(c, th.answer(must(client.GenerateKey()), challenge))
	th.gets("her own key", c)
	// A proof that would be good on another connection, which she has seen somehow.
	other, challenge := th.open()
	c, _ = th.open()
	th.says(c, th.answer(th.seen, challenge))
	th.gets("another connection's proof", c)
	other.CloseNow()
	// She is cut off in the middle of her proof, and goes away without a word.
	for range 5 {
		c, _ := th.open()
		c.CloseNow()
	}
	th.halfOpen()
}

// halfOpen leaves connections in every unfinished state behind: they hold nothing up, and get nothing.
func (th *thief) halfOpen() {
	th.t.Helper()
	request := "GET /ws/" + th.victim + " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: enigma.v1\r\n\r\n"
	for quarters := range 5 {
		cut := len(request) * quarters / 4
		for _, ended := range []bool{false, true} {
			nc, err := net.Dial("tcp", th.s.Addr)
			if err != nil {
				th.t.Fatal(err)
			}
			th.t.Cleanup(func() { nc.Close() })
			if _, err := nc.Write([]byte(request[:cut])); err != nil {
				th.t.Fatal(err)
			}
			if ended {
				nc.(*net.TCPConn).CloseWrite()
			}
			if quarters < 4 || ended {
				continue
			}
			nc.SetReadDeadline(time.Now().Add(patience))
			if line, err := bufio.NewReader(nc).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 101 ") {
				th.t.Errorf("the whole request is answered with %q, %v", line, err)
			}
		}
	}
}

func TestProof_AThiefGetsNothing(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // much of it waits for the ten seconds of a silent thief
			where := store(t)
			s := enigmatest.Start(t, "--store", where)
			key := must(client.GenerateKey())
			alice := s.Login("alice")
			victim := dialProven(t, s, key)
			finish(t, victim)

			// Mail waits, the victim is away.
			a := s.Connect(alice)
			sent := 0
			write := func() {
				a.Send(key.ID(), fmt.Sprint(sent))
				sent++
			}
			for range 10 {
				write()
			}
			a.Send("nobody", "x") // so that those before have been taken in
			a.Expect()
			th := &thief{t: t, s: s, victim: key.ID(), seen: key}
			silent, _ := th.open()
			begin := time.Now()
			th.attempt()

			// The victim is there. Nobody replaces it, and it gets its mail.
			victim = dialProven(t, s, key)
			received := 0
			expect := func() {
				t.Helper()
				for ; received < sent; received++ {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					m, err := victim.Receive(ctx)
					cancel()
					if err != nil || m.Payload != fmt.Sprint(received) {
						t.Fatalf("received %+v, %v, want %d", m, err, received)
					}
					m.Confirm()
				}
			}
			th.attempt()
			write()
			expect()
			if victim.Err() != nil || !victim.Proven() {
				t.Errorf("the victim's connection: %v", victim.Err())
			}

			// A silent one is cut after ten seconds.
			th.gets("silence", silent)
			if took := time.Since(begin); took < 9*time.Second || took > 15*time.Second {
				t.Errorf("cut after %v", took)
			}

			// A restart in between, in order and by a crash.
			finish(t, victim)
			write()
			a.Send("nobody", "x")
			a.Expect()
			a.Leave()
			if status := s.Stop(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			for range 2 {
				s = enigmatest.Start(t, "--store", where)
				th.s = s
				th.attempt()
				s.Kill()
			}
			s = enigmatest.Start(t, "--store", where)
			th.s = s
			th.attempt()
			victim = dialProven(t, s, key)
			expect()
			finish(t, victim)
		})
	}
}

// dialProven connects a user with its key.
func dialProven(t *testing.T, s *enigmatest.Server, key *client.Key) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.DialKey(ctx, s.URL(""), key.PublicKey(), client.WithKey(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
