package load

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// A payload begins with who sent it where and when, in hexadecimal, and goes on with text that is always the same:
// ciphertext in base64 looks no different to a server.
const (
	stampRun  = 4 // bytes of each field before encoding
	stampFlow = 4
	stampSeq  = 8
	stampAt   = 8
	stampRaw  = stampRun + stampFlow + stampSeq + stampAt
	// MinSize is the smallest payload: nothing but the stamp.
	MinSize = 2 * stampRaw
)

// flow is all that one user sends to one other.
type flow struct {
	index    uint32
	from, to *User

	sent    uint64 // the last sequence number used
	got     uint64 // the highest that has come
	missing uint64 // below got
	refused uint64
	unsure  uint64 // of refused: the store was unavailable, and what became of them is nobody's to know
	acked   uint64
	ackSum  uint64 // of the sequence numbers acknowledged: each once gives what it should
}

// arrived is how many different messages have come.
func (f *flow) arrived() uint64 { return f.got - f.missing }

// settled reports whether nothing is known to be under way.
func (f *flow) settled() bool { return f.arrived()+f.refused >= f.sent }

// ledger knows what was sent, and judges what comes. It belongs to one worker.
type ledger struct {
	run     uint32
	flows   []*flow
	filler  []byte
	payload []byte // scratch

	repeats bool // a message may come twice: its recipient reconnects

	sent, received, repeated, acked, rejected, unsure uint64

	refused map[string]uint64 // by code
	faults  faults
}

func newLedger(run uint32, size int) ledger {
	const text = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg5"
	filler := bytes.Repeat([]byte(text), size/len(text)+1)[:size-MinSize]
	return ledger{run: run, filler: filler, refused: make(map[string]uint64)}
}

func (l *ledger) newFlow(from, to *User) *flow {
	f := &flow{index: uint32(len(l.flows)), from: from, to: to}
	l.flows = append(l.flows, f)
	return f
}

// stamp makes the next payload of a flow. It is valid until the next call.
func (l *ledger) stamp(f *flow, at int64) []byte {
	f.sent++
	l.sent++
	var raw [stampRaw]byte
	binary.BigEndian.PutUint32(raw[0:], l.run)
	binary.BigEndian.PutUint32(raw[stampRun:], f.index)
	binary.BigEndian.PutUint64(raw[stampRun+stampFlow:], f.sent)
	binary.BigEndian.PutUint64(raw[stampRun+stampFlow+stampSeq:], uint64(at))
	l.payload = append(hex.AppendEncode(l.payload[:0], raw[:]), l.filler...)
	return l.payload
}

// receive judges a message that user u got. It returns its flow and when it was sent; nil if it does not count, because
// it is wrong or was there before.
func (l *ledger) receive(u *User, m *Message) (f *flow, at int64) {
	var raw [stampRaw]byte
	if len(m.Payload) < MinSize {
		l.faults.note("of another run", "%.100q came to user %d", m.Payload, u.Index)
		return nil, 0
	}
	_, err := hex.Decode(raw[:], m.Payload[:MinSize])
	index := binary.BigEndian.Uint32(raw[stampRun:])
	if err != nil || binary.BigEndian.Uint32(raw[0:]) != l.run || int(index) >= len(l.flows) {
		l.faults.note("of another run", "%.100q came to user %d", m.Payload, u.Index)
		return nil, 0
	}
	f = l.flows[index]
	seq := binary.BigEndian.Uint64(raw[stampRun+stampFlow:])
	switch {
	case f.to != u || m.To != nil && string(m.To) != u.ID:
		l.faults.note("to the wrong user", "message %d of user %d to %d came to %d", seq, f.from.Index, f.to.Index, u.Index)
		return nil, 0
	case m.From != nil && string(m.From) != f.from.ID:
		l.faults.note("from the wrong user", "message %d of user %d says it is from %q", seq, f.from.Index, m.From)
		return nil, 0
	case !bytes.Equal(m.Payload[MinSize:], l.filler) || seq > f.sent || seq == 0:
		l.faults.note("changed on the way", "message %d of user %d is %q", seq, f.from.Index, m.Payload)
		return nil, 0
	case seq <= f.got:
		l.repeat(f, seq)
		return nil, 0
	}
	f.missing += seq - f.got - 1
	f.got = seq
	l.received++
	return f, int64(binary.BigEndian.Uint64(raw[stampRun+stampFlow+stampSeq:]))
}

// repeat notes a message whose number is not above the last of its flow: it came again, or too late.
func (l *ledger) repeat(f *flow, seq uint64) {
	l.repeated++
	if !l.repeats {
		l.faults.note("twice or out of order", "message %d of user %d to %d came after %d", seq, f.from.Index, f.to.Index, f.got)
	}
}

// ack takes the server's word that it has a message.
func (l *ledger) ack(u *User, id MessageID) *flow {
	if int(id.Flow) >= len(l.flows) || l.flows[id.Flow].from != u || id.Seq == 0 || id.Seq > l.flows[id.Flow].sent {
		l.faults.note("wrong acks", "user %d got an ack for %d.%d", u.Index, id.Flow, id.Seq)
		return nil
	}
	f := l.flows[id.Flow]
	f.acked++
	f.ackSum += id.Seq
	l.acked++
	return f
}

// refuse takes an error of the server.
func (l *ledger) refuse(u *User, code string, to []byte) *flow {
	l.refused[code]++
	l.rejected++
	f := l.flowTo(u, to)
	if f == nil {
		l.faults.note("unexpected errors", "user %d got %s, to %q", u.Index, code, to)
		return nil
	}
	f.refused++
	if code == protocol.CodeStoreUnavailable.String() {
		f.unsure++
		l.unsure++
	}
	return f
}

// flowTo returns the flow of a sender to a user id, which may be empty if there is but one; nil if there is none.
func (l *ledger) flowTo(u *User, to []byte) *flow {
	if f := u.out; f != nil && (len(to) == 0 || string(to) == f.to.ID) {
		return f
	}
	for _, f := range l.flows {
		if f.from == u && f.to.ID == string(to) {
			return f
		}
	}
	return nil
}

// settled reports whether nothing is known to be under way.
func (l *ledger) settled() bool {
	return l.received+l.rejected >= l.sent && !slices.ContainsFunc(l.flows, func(f *flow) bool { return !f.settled() })
}

// safe reports whether every message has its ack.
func (l *ledger) safe() bool { return l.acked+l.rejected >= l.sent }

// balance judges what is left at the end. acks says that the senders are to have one for each message.
func (l *ledger) balance(acks bool) {
	for _, f := range l.flows {
		switch lost := int64(f.sent - f.arrived() - f.refused); {
		case lost > 0:
			l.faults.add("lost", uint64(lost), "of %d messages of user %d to %d, %d came and %d were refused",
				f.sent, f.from.Index, f.to.Index, f.arrived(), f.refused)
		case -lost > int64(f.unsure):
			l.faults.add("refused and delivered", uint64(-lost)-f.unsure, "of %d messages of user %d to %d, %d came and %d were refused",
				f.sent, f.from.Index, f.to.Index, f.arrived(), f.refused)
		}
		if !acks {
			continue
		}
		if want := f.sent * (f.sent + 1) / 2; f.acked+f.refused != f.sent || f.refused == 0 && f.ackSum != want {
			l.faults.note("wrong acks", "user %d has %d acks for %d messages to %d, %d refused", f.from.Index, f.acked, f.sent, f.to.Index, f.refused)
		}
	}
}

// faults counts what is wrong, by kind, with an example of each.
type faults struct {
	counts   map[string]uint64
	examples map[string]string
}

func (f *faults) note(kind, format string, args ...any) { f.add(kind, 1, format, args...) }

func (f *faults) add(kind string, n uint64, format string, args ...any) {
	if f.counts == nil {
		f.counts, f.examples = make(map[string]uint64), make(map[string]string)
	}
	if f.counts[kind] == 0 {
		f.examples[kind] = fmt.Sprintf(format, args...)
	}
	f.counts[kind] += n
}

// merge adds what another worker has found.
func (f *faults) merge(other *faults) {
	for kind, n := range other.counts {
		f.add(kind, n, "%s", other.examples[kind])
	}
}

// list returns one line per kind.
func (f *faults) list() []string {
	var lines []string
	for _, kind := range slices.Sorted(maps.Keys(f.counts)) {
		lines = append(lines, fmt.Sprintf("%s: %d (first: %s)", kind, f.counts[kind], f.examples[kind]))
	}
	return lines
}
