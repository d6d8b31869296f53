package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/faults/wire"
)

// outage is a server under load whose store is about to fail, with a probe that looks at what must go on.
type outage struct {
	t     *testing.T
	site  *site
	load  *load
	probe *probe
}

func newOutage(t *testing.T, args ...string) *outage {
	t.Helper()
	o := &outage{t: t}
	o.site = newSite(t, append(args, roomy...)...)
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

// refusesKeys checks that a login that needs the store is answered with an error.
func (o *outage) refusesKeys(status int, code string) {
	o.t.Helper()
	if got, body := o.site.Get("/login/nobody"); got != status || body["code"] != code {
		o.t.Errorf("login: %d %v, want %d %s", got, body, status, code)
	}
}

// refusesStrangers checks what there is for users whom the server does not know yet while the store is away.
func (o *outage) refusesStrangers() {
	o.t.Helper()
	o.refusesKeys(http.StatusServiceUnavailable, "STORE_UNAVAILABLE")
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

// check waits for the recovery and judges.
func (o *outage) check() {
	o.t.Helper()
	o.heals()
	o.probe.judge()
	o.load.away = append(o.load.away, o.site.login("probe", 4)...)
	o.load.away = append(o.load.away, o.site.Login("reader"))
	o.load.check()
}

// stock is how much mail the reader has.
const stock = 50

// fillReader stores mail for a user whom the load leaves alone, and returns its id.
func (o *outage) fillReader(round int) string {
	o.t.Helper()
	from, to := o.site.Login("writer"), o.site.Login("reader")
	conn, err := wire.Dial(o.site.address(), "/ws/"+from, subprotocol)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.End()
	if f := readV1(o.t, conn); f.Type != "ready" {
		o.t.Fatalf("%+v came, want ready", *f)
	}
	send := func(id string) {
		o.load.book.Sent(from, to, id, id)
		_ = conn.WriteAll((&v1Frame{Type: "send", ID: id, To: to, Payload: id}).wire()) // what is broken is read next
	}
	for i := range stock {
		send(fmt.Sprintf("stock %d.%d", round, i))
	}
	for acks := 0; acks < stock; {
		switch f := readV1(o.t, conn); f.Type {
		case "ack":
			o.load.book.Acked(from, f.To, f.ID)
			acks++
		case "error":
			// What the reader confirmed while the store was full is still to be written, and new mail stands behind it.
			if f.Code != "STORE_FULL" || round == 0 {
				o.t.Fatalf("%+v came, want acks", *f)
			}
			o.load.book.Refused(from, f.To, f.ID, f.Code)
			time.Sleep(between)
			send(f.ID)
		}
	}
	return to
}

// reads has a user get the mail that is stored for it and confirm it. It returns how much that was.
func (o *outage) reads(id string) (count int) {
	o.t.Helper()
	conn, err := wire.Dial(o.site.address(), "/ws/"+id, subprotocol)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.End()
	notes := o.load.book.Connected(id)
	for last := uint64(0); ; {
		switch f := readV1(o.t, conn); f.Type {
		case "message":
			notes.Received(f.From, f.To, f.ID, f.Payload, f.Seq)
			last = f.Seq
			count++
		case "drained":
			var frames []wire.Frame
			if last > 0 {
				frames = append(frames, (&v1Frame{Type: "recv", Seq: last}).wire())
			}
			if err := conn.WriteAll(append(frames, wire.Frame{Op: wire.Close, Payload: []byte{0x03, 0xe8}})...); err != nil {
				o.t.Fatal(err)
			}
			for err == nil {
				_, _, err = conn.Read()
			}
			return count
		}
	}
}

// comesAndGoes has one of those for whom mail comes all the time connect twice, and leave with mail unconfirmed. It may
// be that the store cannot take that; the user must get in all the same.
func (o *outage) comesAndGoes(id string) {
	o.t.Helper()
	for range 2 {
		conn, err := wire.Dial(o.site.address(), "/ws/"+id, subprotocol)
		if err != nil {
			o.t.Fatal(err)
		}
		notes := o.load.book.Connected(id)
		conn.ReadBy(time.Now().Add(300 * time.Millisecond))
		for err == nil {
			var f *v1Frame
			if f, err = nextV1(conn); err == nil && f.Type == "message" {
				notes.Received(f.From, f.To, f.ID, f.Payload, f.Seq)
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			o.t.Errorf("a user who comes again while the store is full: %v", err)
		}
		conn.End()
	}
}
