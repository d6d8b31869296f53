package load_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/bench/load"
)

// relay is a server that does wrong, so that the generator has something to find.
type relay struct {
	mu    sync.Mutex
	conns map[string]net.Conn // guarded by mu
	ids   []string            // guarded by mu
	held  []byte              // guarded by mu; for wrongs that need two messages
	count int                 // guarded by mu; of messages

	// wrong is what happens to every tenth message: it is called with mu held, and sends by itself.
	wrong func(r *relay, m envelope, text []byte)
}

type envelope struct{ From, To, Payload string }

func (r *relay) start(t *testing.T) string {
	r.conns = make(map[string]net.Conn)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/{key}", func(w http.ResponseWriter, req *http.Request) {
		id := protocol.NewUserID([]byte(req.PathValue("key"))).String()
		io.WriteString(w, `{"userId":"`+id+`","user":"`+id+`"}`)
	})
	mux.HandleFunc("GET /ws/{id}", func(w http.ResponseWriter, req *http.Request) {
		nc, rw, _, err := ws.UpgradeHTTP(req, w)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns[req.PathValue("id")] = nc
		r.ids = append(r.ids, req.PathValue("id"))
		r.mu.Unlock()
		r.serve(nc, rw.Reader)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		r.mu.Lock()
		for _, nc := range r.conns {
			nc.Close()
		}
		r.mu.Unlock()
		s.Close()
	})
	return s.URL
}

func (r *relay) serve(nc net.Conn, in *bufio.Reader) {
	defer nc.Close()
	for {
		header, err := ws.ReadHeader(in)
		if err != nil {
			return
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return
		}
		ws.Cipher(payload, header.Mask, 0)
		r.mu.Lock()
		switch header.OpCode {
		case ws.OpPing:
			ws.WriteFrame(nc, ws.NewPongFrame(payload))
		case ws.OpClose:
			ws.WriteFrame(nc, ws.NewCloseFrame(payload))
		case ws.OpText:
			r.message(payload)
		}
		r.mu.Unlock()
	}
}

func (r *relay) message(text []byte) {
	var m envelope
	if json.Unmarshal(text, &m) != nil {
		return
	}
	if r.count++; r.count%10 == 0 {
		r.wrong(r, m, text)
		return
	}
	r.deliver(m.To, text)
}

func (r *relay) deliver(to string, text []byte) { wsutil.WriteServerText(r.conns[to], text) }

func TestRun_FindsWhatAServerDoesWrong(t *testing.T) {
	for want, wrong := range map[string]func(r *relay, m envelope, text []byte){
		"lost": func(*relay, envelope, []byte) {},
		"twice or out of order": func(r *relay, m envelope, text []byte) {
			r.deliver(m.To, text)
			r.deliver(m.To, text)
		},
		"to the wrong user": func(r *relay, m envelope, text []byte) {
			for _, id := range r.ids {
				if id != m.To {
					r.deliver(id, text)
					return
				}
			}
		},
		"from the wrong user": func(r *relay, m envelope, text []byte) {
			r.deliver(m.To, []byte(strings.Replace(string(text), m.From, m.To, 1)))
		},
		"changed on the way": func(r *relay, m envelope, text []byte) {
			r.deliver(m.To, []byte(strings.Replace(string(text), `"}`, `.."}`, 1)))
		},
		"of another run": func(r *relay, m envelope, text []byte) {
			r.deliver(m.To, []byte(strings.Replace(string(text), m.Payload, "hello", 1)))
		},
		"unexpected errors": func(r *relay, m envelope, _ []byte) {
			r.deliver(m.From, []byte(`{"error":"Mailbox full","code":"MAILBOX_FULL","to":"nobody"}`))
		},
		"refused and delivered": func(r *relay, m envelope, text []byte) {
			r.deliver(m.From, []byte(`{"error":"Mailbox full","code":"MAILBOX_FULL","to":"`+m.To+`"}`))
			r.deliver(m.To, text)
		},
		"connections lost": func(r *relay, m envelope, text []byte) { r.conns[m.To].Close() },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			cfg := short(load.Oneway)
			cfg.Server, cfg.Users, cfg.Rate, cfg.Patience = (&relay{wrong: wrong}).start(t), 4, 500, 2*time.Second
			r, err := load.Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), "\n"+want+": ") {
				t.Errorf("found %v, want %q", err, want)
			}
		})
	}
}

func TestRun_FindsMessagesOutOfOrder(t *testing.T) {
	swap := func(r *relay, m envelope, text []byte) {
		if r.held == nil {
			r.held = append(r.held, text...)
			return
		}
		r.deliver(m.To, text)
		r.deliver(m.To, r.held)
		r.held = nil
	}
	cfg := short(load.Oneway)
	cfg.Server, cfg.Users, cfg.Rate, cfg.Patience = (&relay{wrong: swap}).start(t), 2, 500, 2*time.Second
	r, err := load.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Err() == nil || !strings.Contains(r.Err().Error(), "twice or out of order") {
		t.Errorf("found %v", r.Err())
	}
}

func TestRun_ReadsMessagesWrittenInAnotherWay(t *testing.T) {
	reorder := func(r *relay, m envelope, _ []byte) {
		text, err := json.Marshal(map[string]any{"payload": m.Payload, "to": m.To, "from": m.From, "extra": 1})
		if err != nil {
			panic(err)
		}
		r.deliver(m.To, text)
	}
	cfg := short(load.Pairs)
	cfg.Server, cfg.Users = (&relay{wrong: reorder}).start(t), 4
	r, err := load.Run(t.Context(), cfg)
	if err != nil || r.Err() != nil || r.Received < 20 {
		t.Errorf("%v, %v, %d messages", err, r.Err(), r.Received)
	}
}
