// Package ledger judges what a message broker did with messages: it is told of every attempt to send one, of every
// answer a sender gets, and of every message that reaches a user, and says in the end what went wrong.
//
// # What is judged
//
//   - lost: the sender was told that the message is safe, and it never came.
//   - reordered: of two messages of one sender to one recipient, the later came first. Only first occurrences count.
//     A message that was refused, or may have been, takes a new place when it is sent again; it still has to stand
//     behind all whose last attempt was before its first.
//   - altered: it came with another payload than it was sent with.
//   - misdelivered: it came to somebody else than its recipient, or was addressed so.
//   - invented: nobody sent it, or what was refused for good came all the same; an answer to what was not asked.
//   - seq broken: a recipient's sequence numbers fell on one connection, or one stood for two messages.
//
// A message is known by sender, recipient and id. On the plain profile, which has no ids, it stands in the payload: see
// [Payload] and [ID].
package ledger

import (
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
)

// Ledger takes notes. All methods are safe for concurrent use.
type Ledger struct {
	mu       sync.Mutex
	refusing bool
	flows    map[pair]*flow
	order    []pair // of flows, by first message
	boxes    map[string]*box
	attempts int // the ledger's clock: each attempt has a number
	faults   faults
	count    Count
}

// seed is for the digests of payloads.
var seed = maphash.MakeSeed()

// pair is a sender and a recipient.
type pair struct{ from, to string }

// flow is what went from one sender to one recipient.
type flow struct {
	byID map[string]*message
	sent []*message // in the order of their first attempts
	came []*message // in the order in which they came first
}

// message is what is known of one.
type message struct {
	id          string
	digest      uint64 // of the payload: a million of them are not kept
	number      int    // in flow.sent
	first, last int    // attempts
	tries       int
	acked       bool
	refused     bool // or a connection ended without an answer while answers could be refusals
	final       bool // refused for good, by the only attempt
	open        bool // the last attempt is not answered
	came        int
}

// box is what is known of a recipient's sequence numbers.
type box struct {
	seqs map[uint64]*message
}

// Count is how much there was of everything.
type Count struct {
	Messages   int            // sent
	Attempts   int            // to send them
	Acks       int            // messages acknowledged
	Refusals   map[string]int // answers that were errors, by code
	Delivered  int            // messages that came
	Duplicates int            // times that one came again
	Unknown    int            // messages that were neither acknowledged nor refused
	Unacked    int            // messages that came although they were not acknowledged
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{flows: make(map[pair]*flow), boxes: make(map[string]*box), count: Count{Refusals: make(map[string]int)}}
}

// MayRefuse says that messages may be refused in this run for a while, by a store that is down or full. A refusal can be
// lost with its connection: messages that were not answered when theirs ended (see [Ledger.Cut]) may then take a new
// place in the order. Without it their order is judged as if they had been sent once.
func (l *Ledger) MayRefuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusing = true
}

// Payload makes a payload of about size bytes that holds the id.
func Payload(id string, size int) string {
	return id + " " + strings.Repeat("x", max(0, size-len(id)-1))
}

// ID returns the id in a payload that Payload made.
func ID(payload string) string {
	id, _, _ := strings.Cut(payload, " ")
	return id
}

// Sent notes an attempt to send a message. It must be called before the message is written.
func (l *Ledger) Sent(from, to, id, payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
	f := l.flow(pair{from, to})
	m := f.byID[id]
	if m == nil {
		m = &message{id: id, digest: maphash.String(seed, payload), number: len(f.sent), first: l.attempts}
		f.byID[id] = m
		f.sent = append(f.sent, m)
	}
	m.last = l.attempts
	m.tries++
	m.open = true
	m.final = false
}

func (l *Ledger) flow(p pair) *flow {
	f := l.flows[p]
	if f == nil {
		f = &flow{byID: make(map[string]*message)}
		l.flows[p] = f
		l.order = append(l.order, p)
	}
	return f
}

// Acked notes that the server called a message safe, or, on the plain profile, that it took it in and said no word.
func (l *Ledger) Acked(from, to, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.flow(pair{from, to}).byID[id]
	if m == nil {
		l.faults.add(invented, "an ack for %s from %.8s to %.8s, which was not sent", id, from, to)
		return
	}
	m.open = false
	m.acked = true
}

// unsure are the refusals after which a message may come all the same: the store may have it.
const unsure = "STORE_UNAVAILABLE"

// Refused notes that the server answered a message with an error.
func (l *Ledger) Refused(from, to, id, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.Refusals[code]++
	m := l.flow(pair{from, to}).byID[id]
	if m == nil {
		l.faults.add(invented, "%s for %s from %.8s to %.8s, which was not sent", code, id, from, to)
		return
	}
	m.open, m.refused = false, true
	m.final = m.tries == 1 && code != unsure
}

// Cut notes that a sender's connection ended: what was not answered will not be.
func (l *Ledger) Cut(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.refusing {
		return
	}
	for p, f := range l.flows {
		if p.from != from {
			continue
		}
		for i := len(f.sent) - 1; i >= 0 && i >= len(f.sent)-maxOpen; i-- {
			if m := f.sent[i]; m.open {
				m.open, m.refused = false, true
			}
		}
	}
}

// maxOpen bounds how far back a sender has messages without an answer.
const maxOpen = 1 << 14

// Conn is one connection of a recipient.
type Conn struct {
	l    *Ledger
	user string
	seq  uint64
}

// Connected notes that a user has a new connection.
func (l *Ledger) Connected(user string) *Conn { return &Conn{l: l, user: user} }

// Received notes a message that came over the connection. seq is 0 on the plain profile. It must be called before its
// receipt is confirmed to the server.
func (c *Conn) Received(from, to, id, payload string, seq uint64) {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if to != c.user {
		l.faults.add(misdelivered, "%s from %.8s to %.8s came to %.8s", id, from, to, c.user)
		return
	}
	f := l.flow(pair{from, to})
	m := f.byID[id]
	if m == nil {
		l.foreign(from, to, id)
		return
	}
	if m.digest != maphash.String(seed, payload) {
		l.faults.add(altered, "%s from %.8s to %.8s came as %.40q, %d bytes, the %d. time", id, from, to, payload, len(payload), m.came+1)
	}
	if seq > 0 {
		c.sequence(m, seq)
	}
	if m.came++; m.came == 1 {
		f.came = append(f.came, m)
	}
}

// foreign judges a message that was not sent like this: to somebody else, or by nobody.
func (l *Ledger) foreign(from, to, id string) {
	for p, f := range l.flows {
		if p.from == from && f.byID[id] != nil {
			l.faults.add(misdelivered, "%s from %.8s to %.8s came to %.8s", id, from, p.to, to)
			return
		}
	}
	l.faults.add(invented, "%s from %.8s to %.8s, which was not sent", id, from, to)
}

// sequence judges a sequence number.
func (c *Conn) sequence(m *message, seq uint64) {
	b := c.l.boxes[c.user]
	if b == nil {
		b = &box{seqs: make(map[uint64]*message)}
		c.l.boxes[c.user] = b
	}
	if seq <= c.seq {
		c.l.faults.add(seqBroken, "%s to %.8s has seq %d after %d", m.id, c.user, seq, c.seq)
	}
	c.seq = seq
	if other := b.seqs[seq]; other != nil && other != m {
		c.l.faults.add(seqBroken, "seq %d of %.8s is that of %s and of %s", seq, c.user, other.id, m.id)
	}
	b.seqs[seq] = m
}

// Open returns how many messages have no answer yet.
func (l *Ledger) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, f := range l.flows {
		for i := len(f.sent) - 1; i >= 0 && i >= len(f.sent)-maxOpen; i-- {
			if f.sent[i].open {
				n++
			}
		}
	}
	return n
}

// Came returns how many messages of a sender have come to a recipient.
func (l *Ledger) Came(from, to string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flow(pair{from, to}).came)
}

// String shows the counts on one line.
func (c Count) String() string {
	var codes []string
	for code, n := range c.Refusals {
		codes = append(codes, fmt.Sprintf("%d %s", n, code))
	}
	refused := "none refused"
	if len(codes) > 0 {
		refused = "refused: " + strings.Join(codes, ", ")
	}
	return fmt.Sprintf("%d messages in %d attempts, %d acknowledged, %s, %d delivered, %d duplicates, %d without an answer, %d delivered unacknowledged",
		c.Messages, c.Attempts, c.Acks, refused, c.Delivered, c.Duplicates, c.Unknown, c.Unacked)
}
