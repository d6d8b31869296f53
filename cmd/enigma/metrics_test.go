package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// stillHere are the metrics that a healthy server moves only after minutes, or with a full memory; the packages that
// count them provoke them in their own tests.
var stillHere = []string{
	"enigma_messages_dropped_total", "enigma_actor_panics_total", "enigma_actor_unknown_messages_total",
	"enigma_accept_pauses_total", "enigma_events_dropped_total",
}

// observed is a server and what its metrics said in the beginning.
type observed struct {
	*enigmatest.Server
	t     *testing.T
	begin *admin.Reading
	moved map[string]bool
}

func (o *observed) read() *admin.Reading {
	o.t.Helper()
	_, text := fetch(o.t, o.Server, "/metrics.json", "")
	r := new(admin.Reading)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		o.t.Fatalf("%v in %s", err, text)
	}
	return r
}

// move does something and waits until all these metrics say something else than in the beginning.
func (o *observed) move(what string, do func(), metrics ...string) {
	o.t.Helper()
	if do != nil {
		do()
	}
	deadline := time.Now().Add(30 * time.Second)
	missing := slices.Clone(metrics)
	for { // gauges may come back before a counter rises
		now := o.read()
		missing = slices.DeleteFunc(missing, func(name string) bool {
			if timing, ok := now.Timings[name]; ok {
				return timing.Counts[len(timing.Counts)-1] > 0 && timing.Sum > 0
			}
			return now.Values[name] != o.begin.Values[name]
		})
		if len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("%s does not move %v", what, missing)
		}
		time.Sleep(20 * time.Millisecond) // between two questions
	}
	for _, name := range metrics {
		base, _, _ := strings.Cut(name, "{")
		o.moved[base] = true
	}
}

// offer connects with enigma.v1 and reads the first frame.
func (o *observed) offer(id string) *websocket.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+o.Addr+"/ws/"+id, &websocket.DialOptions{Subprotocols: []string{"enigma.v1"}})
	if err != nil {
		o.t.Fatal(err)
	}
	if _, text, err := c.Read(ctx); err != nil || !strings.Contains(string(text), "challenge") {
		o.t.Fatalf("got %s, %v, want a challenge", text, err)
	}
	o.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func (o *observed) say(c *websocket.Conn, text string) {
	if err := c.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		o.t.Fatal(err)
	}
}

// TestMetrics_EachMovesWhenWhatItCountsHappens does one thing after the other to a server, and looks at its metrics.
func TestMetrics_EachMovesWhenWhatItCountsHappens(t *testing.T) {
	redis := redistest.Start(t)
	s := enigmatest.Start(t, "--store", redis.URL(), "--spill-after", "200ms", "--idle-timeout", "1s", "--credit-messages", "1",
		"--memory", "32MiB")
	o := &observed{Server: s, t: t, moved: map[string]bool{"enigma_build_info": true, "enigma_buffered_limit_bytes": true}}
	o.begin = o.read()
	if limit := o.begin.Values["enigma_buffered_limit_bytes"]; limit != 32<<20 {
		t.Errorf("the bound of memory is shown as %v, want what --memory says", limit)
	}
	o.begin.Values["enigma_shard_longest_turn_seconds"] = 0 // it has turned already, perhaps longer than it will
	ctx := context.Background()

	var alice, bob string
	o.move("a login", func() { alice, bob = s.Login("alice"), s.Login("bob") },
		"enigma_logins_total", "enigma_http_requests_total{200}", "enigma_store_batch_size{put_keys}", "enigma_store_call_seconds{put_keys}")
	var a, b *enigmatest.User
	o.move("a connection", func() { a, b = s.Connect(alice), s.Connect(bob) }, "enigma_connections", "enigma_connections_open",
		"enigma_connections_attached_total", "enigma_users", "enigma_http_requests_total{101}", "enigma_http_connections")
	o.move("a message", func() { a.Send(bob, "x"); b.Expect() }, "enigma_messages_submitted_total", "enigma_messages_delivered_total",
		"enigma_connection_writes_total", "enigma_delivery_write_seconds", "enigma_connection_stalls_total{credit}",
		"enigma_shard_busy_seconds_total{0}", "enigma_shard_turns_total{0}", "enigma_shard_longest_turn_seconds")
	o.move("its confirm", b.AwaitConfirm, "enigma_messages_confirmed_total", "enigma_delivery_confirm_seconds")
	o.move("an error", func() { a.Send("nobody", "x"); a.Expect() }, "enigma_errors_total{USER_NOT_FOUND}")
	o.move("a newer connection", func() { b = s.Connect(bob) }, "enigma_connections_replaced_total", "enigma_errors_total{REPLACED}")
	o.move("mail for somebody away", func() { b.Leave(); a.Send(bob, "kept") }, "enigma_messages_parked_total",
		"enigma_store_appended_total", "enigma_store_batch_size{append}", "enigma_store_call_seconds{append}")
	o.move("its recipient", func() { b = s.Connect(bob); b.Expect() }, "enigma_messages_drained_total", "enigma_store_batch_size{read}")

	carol := s.Login("carol")
	mute := connectMute(t, s, carol)
	defer mute.Close()
	// More than once: what comes before the server has read what is stored for her goes to the store at once.
	var writing sync.WaitGroup
	enough := make(chan struct{})
	writing.Go(func() {
		for a.TrySend(carol, "x") == nil {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-enough:
				return
			}
		}
	})
	o.move("mail for somebody who does not answer", nil, "enigma_messages_pending", "enigma_buffered_bytes", "enigma_messages_spilled_total")
	close(enough)
	writing.Wait()

	key := must(client.GenerateKey())
	c := must(client.DialKey(ctx, "http://"+s.Addr, key.PublicKey(), client.WithKey(key)))
	o.move("a proof", nil, "enigma_proof_challenges_total", "enigma_proofs_total{proven}", "enigma_store_batch_size{lock}")
	o.move("an acknowledged message", func() {
		if err := c.Send(ctx, c.ID(), "x"); err != nil {
			t.Error(err)
		}
	}, "enigma_messages_acked_total")
	other := must(client.GenerateKey())
	id := s.Login(other.PublicKey())
	o.move("a conn that declines", func() { o.say(o.offer(id), `{"type":"proof"}`) }, "enigma_proofs_total{declined}")
	o.move("a wrong proof", func() { o.say(o.offer(id), `{"type":"proof","tag":"AAAA"}`) }, "enigma_proofs_total{failed}", "enigma_errors_total{PROOF_REQUIRED}")
	o.move("a conn that goes", func() { _ = o.offer(id).CloseNow() }, "enigma_proofs_total{abandoned}")
	finish(t, c)

	o.move("silence", nil, "enigma_connections_timed_out_total")
	dave := s.Login("dave")
	redis.Pause()
	o.move("mail for a store that hangs", func() { a.Send(dave, "x") }, "enigma_connections_stalled")
	var logins sync.WaitGroup
	o.move("much to do for it", func() {
		for i := range 32 {
			logins.Go(func() {
				if resp, err := http.Get(s.URL(fmt.Sprint("/login/", i))); err == nil {
					_ = resp.Body.Close()
				}
			})
		}
	}, "enigma_store_queue_size")
	o.move("its silence", nil, "enigma_store_up", "enigma_store_errors_total")
	redis.Resume()
	logins.Wait()
	http.DefaultClient.CloseIdleConnections()
	for _, m := range admin.Table {
		if !o.moved[m.Name] && !slices.Contains(stillHere, m.Name) {
			t.Errorf("nothing here moves %s", m.Name)
		}
	}
}
