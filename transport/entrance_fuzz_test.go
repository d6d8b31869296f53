package transport

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// gate is a conn in its entrance, and the broker that it comes to, which only notes who attaches.
type gate struct {
	*harness
	Broker
	verdicts chan *verdict
	attached bool
}

// knock is what is known before the conn begins: the user's challenge and what it is about.
type knock struct {
	challenge protocol.Challenge
	claim     protocol.Claim
	now       time.Time
}

func newKnock(seed byte) (knock, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	key := []byte("ed25519:" + base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey)))
	provable, _ := protocol.ParseProvableKey(key)
	now := time.Now()
	challenge, err := provable.Challenge(now)
	if err != nil {
		panic(err)
	}
	return knock{*challenge, protocol.Claim{Authority: "chat.example", User: protocol.NewUserID(key), PublicKey: key}, now}, private
}

// proof is the frame with which the owner of a key answers.
func (k knock) proof(private ed25519.PrivateKey) []byte {
	proof, err := protocol.Prove(private, &k.challenge, &k.claim)
	if err != nil {
		panic(err)
	}
	return protocol.AppendProof(nil, proof)
}

func newGate(t *testing.T, k knock) *gate {
	g := &gate{harness: newHarness(t), verdicts: make(chan *verdict, 1)}
	s := g.loop.server
	s.broker, s.opts.now, s.opts.RateMessages = g, func() time.Time { return k.now }, 1<<20 // whether a frame is too many depends on cuts
	g.loop.shard, g.sock, g.id = g, g, k.claim.User
	g.set(speaksV1)
	challenge := k.challenge
	g.conn.link = &entrance{challenge: &challenge, claim: k.claim}
	g.start()
	g.run()
	return g
}

// Post takes what comes from the goroutine that checks a proof apart.
func (g *gate) Post(job actors.Job) bool {
	if v, is := job.(*verdict); is {
		g.verdicts <- v
		return true
	}
	return g.harness.Post(job)
}

// Attach implements Broker.
func (g *gate) Attach(id protocol.UserID, _ actors.Conn, opts actors.AttachOptions) *actors.Link {
	if id != g.id || opts.Profile != actors.V1 || opts.Order == 0 {
		g.t.Errorf("%v attaches with %+v", id, opts)
	}
	g.attached = true
	g.note("attach %v", opts.Proven)
	return nil
}

// Set holds that the client has the time for a proof once, whatever it does to seem busy.
func (g *gate) Set(timer *actors.Timer, d time.Duration) {
	if g.is(proving) && !g.is(byeHeard|closing) && (g.timer != nil || d != g.loop.server.opts.proofTimeout) {
		g.t.Errorf("in the entrance a timer is set to %v", d)
	}
	g.harness.Set(timer, d)
}

func (g *gate) write(p []byte) (int, error) { g.note("write %q", p); return g.harness.write(p) }
func (g *gate) finish(p []byte)             { g.note("finish %q", p) }

// proceed does what there is to do, and waits for a check that is under way.
func (g *gate) proceed() {
	for g.run(); ; g.run() {
		switch {
		case g.is(proving) && g.is(paused):
			if g.timer != nil {
				g.t.Error("the client's time runs while its proof is checked")
			}
			(<-g.verdicts).Run()
		case g.attached:
			g.attached, g.conn.link = false, judge{g.harness}
			g.Resume()
		default:
			return
		}
	}
}

// The proofs that a stream may have in the middle.
const (
	noProof = iota
	validProof
	validInPieces
	declinedProof
	othersProof
	allProofs
)

// FuzzEntrance feeds a conn what a client may send from the upgrade on when it is asked for a proof, which the fuzzer could
// not make up: so one may stand in the middle. The first message decides, as the reference finds it; until then Pings are
// answered and nothing else is. What comes of it does not depend on where the input is cut, and is counted once.
func FuzzEntrance(f *testing.F) {
	own, private := newKnock(1)
	other, _ := newKnock(1)
	frames := [allProofs][]byte{
		validProof: text(string(own.proof(private))), declinedProof: text(`{"type":"proof"}`), othersProof: text(string(other.proof(private))),
	}
	proof := own.proof(private)
	frames[validInPieces] = slices.Concat(masked(0x01, proof[:20]), masked(0x89, []byte("p")), masked(0x00, nil), masked(0x8a, nil), masked(0x80, proof[20:]))
	send := text(fmt.Sprintf(`{"type":"send","id":"1","to":"%s","payload":"x"}`, own.claim.User))
	for _, before := range [][]byte{
		nil, send, masked(0x89, []byte("ping")), masked(0x8a, []byte("pong")), masked(0x88, []byte{0x03, 0xe8}), masked(0x88, nil), masked(0x01, []byte(`{"type":`)),
		{0x91, 0x80}, text("\xff"), masked(0x82, []byte("\xff")), text(`{"type":"recv","seq":1}`), text(`{"type":"proof","tag":"","sig":""}`),
		text(`{"type":"proof"` + strings.Repeat(" ", protocol.MaxProofFrame-16) + `}`), text(`{"type":"proof"` + strings.Repeat(" ", protocol.MaxProofFrame-15) + `}`),
	} {
		for kind := range byte(allProofs) {
			f.Add(before, kind, send, uint64(kind))
		}
	}
	f.Add([]byte(nil), byte(validProof), slices.Concat(frames[declinedProof], send), uint64(1))
	f.Fuzz(func(t *testing.T, before []byte, kind byte, after []byte, seed uint64) {
		kind %= allProofs
		stream := slices.Concat(before, frames[kind], after)
		want, decided := own.expect(stream)
		if admitted := want[len(want)-1]; len(before) == 0 && kind != noProof {
			is := map[byte]string{validProof: "attach true", validInPieces: "attach true", declinedProof: "attach false"}[kind]
			if strings.HasPrefix(admitted, "attach") != (is != "") || is != "" && admitted != is {
				t.Fatalf("the reference finds %q of %q", want, stream)
			}
		}
		whole := own.outcome(t, want, decided, seed, stream)
		random := rand.New(rand.NewPCG(seed, 0))
		var parts [][]byte
		for rest := stream; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1+random.IntN(40)))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if cut := own.outcome(t, want, decided, seed, parts...); !slices.Equal(whole, cut) {
			t.Fatalf("whole %q, in parts of %q %q", whole, parts, cut)
		}
	})
}

// expect returns what has to be seen of a stream until the first message has decided, or whatever else ends the conn.
func (k knock) expect(stream []byte) (want []string, decided bool) {
	wrote := func(p []byte) { want = append(want, fmt.Sprintf("write %q", p)) }
	wrote(protocol.AppendFrame(nil, protocol.OpText, k.challenge.Append(nil)))
	for _, found := range reference(stream, protocol.MaxProofFrame) {
		what, rest, _ := strings.Cut(found, " ")
		switch what {
		case "pong":
			continue
		case "ping":
			wrote(protocol.AppendFrame(nil, protocol.OpPong, unquoted(rest)))
			continue
		case "text", "binary":
			return append(want, k.expectOf(unquoted(rest), what == "binary")...), true
		}
		code, _ := strconv.Atoi(rest)
		switch {
		case found == "broken 1009":
			return append(want, refusal...), true
		case found == "close 1005":
			code = 0
		}
		return append(want, closed(protocol.CloseCode(code))), true
	}
	return want, false
}

// expectOf is what follows from the first message.
func (k knock) expectOf(message []byte, binary bool) []string {
	var frame protocol.ClientFrame
	err := frame.Parse(message)
	if err == protocol.ErrUTF8 && !binary {
		return []string{closed(protocol.CloseInvalidData)}
	}
	proof, ok := frame.Proof()
	switch {
	case err != nil, frame.Type != protocol.FrameProof, !ok:
		return refusal
	case proof.Declined():
		return []string{"attach false"}
	case k.challenge.Verify(k.now, &k.claim, proof): // of a copy
		return []string{"attach true"}
	}
	return refusal
}

// refusal is what is seen when there is no proof.
var refusal = []string{"count PROOF_REQUIRED", fmt.Sprintf("finish %q", protocol.AppendClose(
	protocol.AppendFrame(nil, protocol.OpText, protocol.AppendV1Error(nil, protocol.CodeProofRequired, nil, nil)), protocol.CloseProofRequired))}

func closed(code protocol.CloseCode) string {
	return fmt.Sprintf("finish %q", protocol.AppendClose(nil, code))
}

func unquoted(quoted string) []byte {
	text, err := strconv.Unquote(quoted)
	if err != nil {
		panic(err)
	}
	return []byte(text)
}

// outcome checks what is seen of a stream that comes in parts, and returns it. A client that decides nothing is cut in
// time, or goes away.
func (k knock) outcome(t *testing.T, want []string, decided bool, seed uint64, parts ...[]byte) []string {
	g := newGate(t, k)
	for _, part := range parts {
		g.receive(part)
		g.proceed()
	}
	if g.is(proving) == decided {
		t.Fatalf("%q: in the entrance %v, want %q", g.log, !decided, want)
	}
	if late := seed%2 == 0; !decided && late {
		g.timer.Fire()
		want = slices.Concat(want, refusal)
	} else if !decided {
		g.hangup(true)
	}
	g.run()
	got := slices.DeleteFunc(g.log, func(event string) bool {
		return strings.Contains(event, "timer") || event == "read on" || event == "half close" || event == "close"
	})
	last := want[len(want)-1]
	if n := len(want); len(got) < n || !slices.Equal(got[:n], want) || len(got) > n && !strings.HasPrefix(last, "attach") {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	m := &g.loop.server.meter
	for what, n := range map[string]uint64{"attach true": m.proven.Load(), "attach false": m.declined.Load(), refusal[1]: m.failed.Load()} {
		if is := last == what; is != (n == 1) || n > 1 {
			t.Errorf("%d counted of %s, the end was %s", n, what, last)
		}
	}
	if all := m.proven.Load() + m.declined.Load() + m.failed.Load() + m.abandoned.Load(); all != 1 || m.challenges.Load() != 1 || len(g.loop.entrances) > 0 {
		t.Errorf("%d ends of %d challenges are counted, %d are under way", all, m.challenges.Load(), len(g.loop.entrances))
	}
	return got
}
