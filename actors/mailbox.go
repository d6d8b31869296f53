package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// letterKind says what a letter is.
type letterKind uint8

const (
	letterSubmit   letterKind = iota // arrival: an envelope for this user
	letterAttach                     // link
	letterDetach                     // link
	letterPong                       // link, bytes
	letterRecv                       // link, seq, ticket
	letterWritable                   // link: the conn takes bytes again
	letterLeave                      // the broker shuts down
	letterRelieve                    // give up memory
	letterTick                       // the user's timer
	letterStored                     // op: an append's outcome
	letterPage                       // op: what was read
	letterKey                        // op: whether the user is known
	letterLocked                     // op: whether the lock is kept
	letterForeign                    // msg: from somebody who knows the PID
)

// letter is a message in a user's mailbox. It is the shard's: made by Shard.letter, valid until the turn ends, like
// the bytes it points to.
type letter struct {
	next    *letter
	kind    letterKind
	ticket  uint32
	link    *Link
	seq     uint64
	bytes   []byte
	op      *op
	msg     any
	arrival arrival
}

// batch is what a turn has for one actor, the one message of its one invocation.
type batch struct {
	first *letter
}

// take removes the first letter.
func (b *batch) take() *letter {
	l := b.first
	if l != nil {
		b.first = l.next
	}
	return l
}

// mailbox is the queue of a user actor. It belongs to its shard: letters are linked in and run on the shard's
// goroutine without a lock. What others send to the PID goes through the shard's own queue. An empty one holds nothing,
// so nothing of a burst stays.
//
// It is written against these traps of protoactor: a message posted before RegisterHandlers waits for Start instead of
// panicking; a nil message, on which the library's queue would spin for ever, is refused; what is left when the actor
// stops goes back to the broker instead of vanishing; after a panic the actor is stopped within the turn, so no
// successor can start before it has handed over what it holds.
type mailbox struct {
	shard   *Shard
	invoker actor.MessageInvoker
	owner   *user
	head    *letter
	tail    *letter
	system  []any // messages of the library
	batch   batch
	started bool
	queued  bool // in the shard's run queue
	failed  bool // panicked: only system messages are run
	stopped bool // what comes now goes back to the broker
}

var (
	stopMessage               = &actor.Stop{}
	_           actor.Mailbox = (*mailbox)(nil)
)

// push links a letter in. Shard goroutine only.
func (m *mailbox) push(l *letter) {
	if m.stopped {
		m.shard.leftOver(m.owner, l)
		return
	}
	l.next = nil
	if m.tail == nil {
		m.head = l
	} else {
		m.tail.next = l
	}
	m.tail = l
	m.schedule()
}

func (m *mailbox) schedule() {
	if !m.queued && m.started {
		m.queued = true
		m.shard.runnable = append(m.shard.runnable, m)
	}
}

// PostUserMessage implements actor.Mailbox, for any goroutine.
func (m *mailbox) PostUserMessage(message any) {
	if message == nil {
		m.shard.count(statNilMessages, 1)
		return
	}
	m.shard.Post(&foreign{m: m, message: message})
}

// PostSystemMessage implements actor.Mailbox, for any goroutine. Started comes from the spawn, on the shard itself,
// and must be the first that the actor sees.
func (m *mailbox) PostSystemMessage(message any) {
	switch message.(type) {
	case nil:
		m.shard.count(statNilMessages, 1)
	case *actor.Started:
		m.system = append(m.system, message)
		m.schedule()
	default:
		m.shard.Post(&foreign{m: m, message: message, system: true})
	}
}

// RegisterHandlers implements actor.Mailbox. The dispatcher is always the shard.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {
	m.started = true
	if m.head != nil || len(m.system) > 0 {
		m.schedule()
	}
}

// UserMessageCount implements actor.Mailbox. A turn leaves no letter behind, so between turns, where others can look,
// it is zero.
func (m *mailbox) UserMessageCount() int { return 0 }

// foreign carries a message from outside the shard into a mailbox.
type foreign struct {
	m       *mailbox
	message any
	system  bool
}

func (f *foreign) Run() {
	if !f.system {
		f.m.push(f.m.shard.letter(letter{kind: letterForeign, msg: f.message}))
		return
	}
	if !f.m.stopped {
		f.m.system = append(f.m.system, f.message)
		f.m.schedule()
	}
}

// run gives the actor what it has: system messages, then all letters as one batch.
func (m *mailbox) run() {
	m.queued = false
	defer m.guard()
	for len(m.system) > 0 {
		message := m.system[0]
		m.system = m.system[1:]
		switch message.(type) {
		case *actor.SuspendMailbox, *actor.ResumeMailbox: // the library's answer to a panic: guard has acted already
		default:
			m.invoker.InvokeSystemMessage(message)
		}
	}
	m.system = nil
	if m.stopped || m.failed {
		m.handBack()
		return
	}
	m.batch.first = m.head
	m.head, m.tail = nil, nil
	if m.batch.first != nil {
		m.invoker.InvokeUserMessage(&m.batch)
	}
}

// guard turns a panic of the actor into the end of this one actor.
func (m *mailbox) guard() {
	if reason := recover(); reason != nil {
		m.panicked(reason)
	}
}

// panicked ends the actor within the turn.
func (m *mailbox) panicked(reason any) {
	m.failed = true
	m.shard.count(statPanics, 1)
	m.invoker.EscalateFailure(reason, nil)
	m.shard.crashed(m, reason)
}

// stop runs the library's stop within this turn, and hands back what is left.
func (m *mailbox) stop() {
	m.invoker.InvokeSystemMessage(stopMessage) // which sets stopped, by depart
	m.handBack()
}

// handBack returns the letters that the actor will not see to the broker, the rest of a batch first.
func (m *mailbox) handBack() {
	rest, queue := m.batch.first, m.head
	m.batch.first, m.head, m.tail = nil, nil, nil
	for _, l := range []*letter{rest, queue} {
		for l != nil {
			next := l.next
			m.shard.leftOver(m.owner, l)
			l = next
		}
	}
}

// clone copies a letter and what it points to out of the turn.
func (l *letter) clone() *letter {
	c := *l
	c.next = nil
	a := &c.arrival
	size := len(a.payload) + len(a.frame) + len(a.id) + len(l.bytes)
	buf := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		start := len(buf)
		buf = append(buf, b...)
		return buf[start:len(buf):len(buf)]
	}
	a.payload, a.frame, a.id, c.bytes = keep(a.payload), keep(a.frame), keep(a.id), keep(l.bytes)
	return &c
}
