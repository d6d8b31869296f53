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
	letterPong                       // link, arrival.payload
	letterRecv                       // link, seq, ticket
	letterWritable                   // link: the conn takes bytes again
	letterLeave                      // the broker shuts down
	letterRelieve                    // give up memory
	letterExpel                      // give up the conn, which keeps memory
	letterTick                       // the user's timer
	letterStored                     // op: an append's outcome
	letterPage                       // op: what was read
	letterKey                        // op: whether the user is known
	letterLocked                     // op: whether the lock is kept
)

// letter is a message in a user's mailbox. It is the shard's: made by Shard.letter, valid until the turn ends, like
// the bytes it points to.
type letter struct {
	next    *letter
	kind    letterKind
	ticket  uint32
	link    *Link
	seq     uint64
	op      *op
	arrival arrival
}

// batch is what a turn has for one actor, the one message of its one invocation. A shard has one, for the actor that runs.
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

// A user is its own mailbox, the queue of its actor. It belongs to its shard: letters are linked in and run on the shard's
// goroutine without a lock. What others send to the PID goes through the shard's own queue. An empty one holds nothing,
// so nothing of a burst stays.
//
// It is written against these traps of protoactor: a message posted before RegisterHandlers waits for Start instead of
// panicking; a nil message, on which the library's queue would spin for ever, is refused; what is left when the actor
// stops goes back to the broker instead of vanishing; after a panic the actor is stopped within the turn, so no
// successor can start before it has handed over what it holds.

// systemMessage is a message of the library, which a mailbox takes before all letters.
type systemMessage struct {
	message any
	next    *systemMessage
}

var (
	stopMessage               = &actor.Stop{}
	_           actor.Mailbox = (*user)(nil)
)

// push links a letter in. Shard goroutine only.
func (u *user) push(l *letter) {
	if u.stopped {
		u.shard.leftOver(u, l)
		return
	}
	u.enqueue(l)
	u.schedule()
}

func (u *user) enqueue(l *letter) {
	if u.last == nil {
		l.next = l
	} else {
		l.next, u.last.next = u.last.next, l
	}
	u.last = l
}

// takeAll empties the mailbox. It returns the first letter; nil follows the last.
func (u *user) takeAll() (first *letter) {
	if u.last != nil {
		first, u.last.next, u.last = u.last.next, nil, nil
	}
	return first
}

func (u *user) schedule() {
	if !u.queued && u.started {
		u.queued = true
		u.shard.runnable = append(u.shard.runnable, u)
	}
}

// PostUserMessage implements actor.Mailbox, for any goroutine.
func (u *user) PostUserMessage(message any) {
	switch message.(type) {
	case nil:
		u.shard.broker.nilMessages.Add(1)
		return
	case acquaint:
		return
	}
	u.shard.Post(&foreign{user: u, message: message})
}

// PostSystemMessage implements actor.Mailbox, for any goroutine. Started comes from the spawn, on the shard itself,
// and must be the first that the actor sees.
func (u *user) PostSystemMessage(message any) {
	switch message.(type) {
	case nil:
		u.shard.broker.nilMessages.Add(1)
	case *actor.Started:
		u.pushSystem(message)
	default:
		u.shard.Post(&foreign{user: u, message: message, system: true})
	}
}

// RegisterHandlers implements actor.Mailbox. The dispatcher is always the shard.
func (u *user) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	u.invoker = invoker
}

// Start implements actor.Mailbox.
func (u *user) Start() {
	u.started = true
	if u.last != nil || u.system != nil {
		u.schedule()
	}
}

// UserMessageCount implements actor.Mailbox. A turn leaves no letter behind, so between turns, where others can look,
// it is zero.
func (u *user) UserMessageCount() int { return 0 }

// foreign carries a message of somebody who knows the PID to the shard.
type foreign struct {
	user    *user
	message any
	system  bool
}

// Run implements [Job]. A user needs no message from others; to be poisoned is to be stopped.
func (f *foreign) Run() {
	if f.system {
		if !f.user.stopped {
			f.user.pushSystem(f.message)
		}
		return
	}
	if _, poison := f.message.(*actor.PoisonPill); poison {
		f.user.shard.broker.system.Root.Stop(f.user.pid)
		return
	}
	f.user.shard.count(statUnknownMessages, 1)
}

// pushSystem links a message of the library in.
func (u *user) pushSystem(message any) {
	last := &u.system
	for *last != nil {
		last = &(*last).next
	}
	*last = &systemMessage{message: message}
	u.schedule()
}

// run gives the actor what it has: system messages, then all letters as one batch.
func (u *user) run() {
	u.queued = false
	defer u.guard()
	for m := u.system; m != nil; m = u.system {
		u.system = m.next
		switch m.message.(type) {
		case *actor.SuspendMailbox, *actor.ResumeMailbox: // the library's answer to a panic: guard has acted already
		default:
			u.invoker.InvokeSystemMessage(m.message)
		}
	}
	if u.stopped || u.failed {
		u.handBack()
		return
	}
	if first := u.takeAll(); first != nil {
		u.shard.batch.first = first
		u.invoker.InvokeUserMessage(&u.shard.batch)
	}
}

// guard turns a panic of the actor into the end of this one actor.
func (u *user) guard() {
	if reason := recover(); reason != nil {
		u.putBack()
		u.panicked(reason)
	}
}

// panicked ends the actor within the turn.
func (u *user) panicked(reason any) {
	u.failed = true
	u.shard.count(statPanics, 1)
	u.invoker.EscalateFailure(reason, nil)
	u.shard.crashed(u, reason)
}

// stop runs the library's stop within this turn, and hands back what is left.
func (u *user) stop() {
	u.invoker.InvokeSystemMessage(stopMessage) // which sets stopped, by depart
	u.handBack()
}

// putBack puts what the actor has not taken of its batch in front of what has come since.
func (u *user) putBack() {
	rest, since := u.shard.batch.first, u.takeAll()
	u.shard.batch.first = nil
	for _, l := range []*letter{rest, since} {
		for l != nil {
			next := l.next
			u.enqueue(l)
			l = next
		}
	}
}

// handBack returns the letters that the actor will not see to the broker.
func (u *user) handBack() {
	for l := u.takeAll(); l != nil; {
		next := l.next
		u.shard.leftOver(u, l)
		l = next
	}
}

// clone copies a letter and what it points to out of the turn.
func (l *letter) clone() *letter {
	c := *l
	c.next = nil
	a := &c.arrival
	size := len(a.payload) + len(a.frame) + len(a.id)
	buf := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		start := len(buf)
		buf = append(buf, b...)
		return buf[start:len(buf):len(buf)]
	}
	a.payload, a.frame, a.id = keep(a.payload), keep(a.frame), keep(a.id)
	return &c
}
