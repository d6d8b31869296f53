package faults_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// outage is a server on a Redis, under load, with a probe that looks at what must go on.
type outage struct {
	t     *testing.T
	redis *redistest.Server
	site  *site
	load  *load
	probe *probe
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{t: t, redis: redistest.Start(t)}
	o.site = newSite(t, append([]string{"--store", o.redis.URL()}, roomy...)...)
	o.load = newLoad(t, o.site, usual)
	o.load.book.MayRefuse()
	o.probe = newProbe(t, o.site, o.load.book)
	o.load.start()
	await(t, "mail is stored", func() bool { return o.probe.answered("ack") > 3 })
	return o
}

// bites waits until mail for those who are away is refused with that code, and sees live mail go on meanwhile.
func (o *outage) bites(code string) {
	o.t.Helper()
	refused := o.probe.answered(code)
	await(o.t, "mail for one who is away is refused with "+code, func() bool { return o.probe.answered(code) >= refused+3 })
	live := o.probe.delivered()
	await(o.t, "live mail goes on", func() bool { return o.probe.delivered() >= live+3 })
}

// heals waits until mail for those who are away is stored again.
func (o *outage) heals() {
	o.t.Helper()
	acked := o.probe.answered("ack")
	await(o.t, "mail for one who is away is stored again", func() bool { return o.probe.answered("ack") >= acked+3 })
}

// refusesStrangers checks what there is for users whom the server does not know yet while the store is away.
func (o *outage) refusesStrangers() {
	o.t.Helper()
	if status, body := o.site.Get("/login/nobody"); status != http.StatusServiceUnavailable || body["code"] != "STORE_UNAVAILABLE" {
		o.t.Errorf("login: %d %v", status, body)
	}
	conn, err := wire.Dial(o.site.address(), "/ws/"+o.load.away[0]) // whose mail cannot be read
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.End()
	conn.ReadBy(time.Now().Add(within))
	for {
		f, err := nextV1(conn)
		if err == nil {
			o.t.Errorf("%+v came to a user whose mail cannot be read", *f)
			continue
		}
		if closed := closedError(0); !errors.As(err, &closed) || closed != 1013 {
			o.t.Errorf("a user whose mail cannot be read: %v, want a close with 1013", err)
		}
		return
	}
}

func (o *outage) check() {
	o.t.Helper()
	o.heals()
	o.probe.judge()
	o.load.away = append(o.load.away, o.site.login("probe", 4)...)
	o.load.check()
}

// TestRedis_KilledUnderLoad kills the store, not the server, and starts it again.
func TestRedis_KilledUnderLoad(t *testing.T) {
	o := newOutage(t)
	for round := range pick(2, 50) {
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		o.redis.Kill()
		o.bites("STORE_UNAVAILABLE")
		if round == 0 {
			o.refusesStrangers()
		}
		o.redis.Restart()
		o.heals()
	}
	o.check()
}

// TestRedis_PausedUnderLoad stops the store with its connections open: what it was sent it executes when it goes on,
// long after everybody has given up on it.
func TestRedis_PausedUnderLoad(t *testing.T) {
	o := newOutage(t)
	for range pick(1, 5) {
		o.redis.Pause()
		begin := time.Now()
		o.bites("STORE_UNAVAILABLE")
		o.refusesStrangers()
		time.Sleep(time.Until(begin.Add(pick(4*time.Second, 30*time.Second))))
		o.redis.Resume()
		o.heals()
	}
	o.check()
}

// TestRedis_FullUnderLoad takes the store's memory away. Mail is refused; what is stored can still be read and
// confirmed.
func TestRedis_FullUnderLoad(t *testing.T) {
	o := newOutage(t)
	for range pick(2, 50) {
		o.redis.Do("CONFIG", "SET", "maxmemory", "1mb")
		o.bites("STORE_FULL")
		o.readsAndDeletes(o.load.away[0])
		if status, body := o.site.Get("/login/nobody"); status != http.StatusInsufficientStorage || body["code"] != "STORE_FULL" {
			t.Errorf("login: %d %v", status, body)
		}
		o.redis.Do("CONFIG", "SET", "maxmemory", "0")
		o.heals()
	}
	o.check()
}

// readsAndDeletes has a user get its mail and confirm it, and not get it again.
func (o *outage) readsAndDeletes(id string) {
	o.t.Helper()
	last := uint64(0)
	for range 2 {
		conn, err := wire.Dial(o.site.address(), "/ws/"+id, subprotocol)
		if err != nil {
			o.t.Fatal(err)
		}
		notes, before := o.load.book.Connected(id), last
		for drained := false; !drained; {
			switch f := readV1(o.t, conn); f.Type {
			case "drained":
				drained = true
			case "message":
				if f.Seq <= before {
					o.t.Errorf("%s came again after it was confirmed", f.ID)
				}
				notes.Received(f.From, f.To, f.ID, f.Payload, f.Seq)
				last = f.Seq
				_ = conn.WriteAll((&v1Frame{Type: "recv", Seq: last}).wire())
			}
		}
		_ = conn.WriteClose(1000) // behind the confirms
		for err == nil {
			_, _, err = conn.Read()
		}
		conn.End()
	}
	if last == 0 {
		o.t.Error("nothing was stored")
	}
}
