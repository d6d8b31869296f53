package actors

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Times of a user actor that are not configurable.
const (
	parkPatience = 900 * time.Millisecond // an append's senders wait so long for the store, then they are refused
	readRetry    = 500 * time.Millisecond // after a page could not be read
	lingerAway   = 10 * time.Second       // an actor without a conn waits for more mail
)

// user is the actor of one user. It owns the user's key, conn and delivery state, and is its own mailbox. It lives on
// its shard: every method runs there, inside the actor's invocation unless its comment says otherwise.
//
// It is loading until the store has said whether the user exists, then standing; it stops when the user does not
// exist, or has no conn, nothing in memory and nothing under way. A user actor that leaves the registry first makes
// sure that its mailbox is empty; it is not in the library's registry of names (see unlist), so
// a successor never meets its name.
//
// There are very many of them. One takes five cache lines of 64 bytes, of which a message needs the first four, and the
// id; the order of the fields is that of the lines. See TestUser_FitsItsCacheLines.
type user struct {
	// Its mailbox: see mailbox.go.
	shard   *Shard
	invoker actor.MessageInvoker
	last    *letter        // of a ring: the first follows it; nil for none
	system  *systemMessage // the first
	started bool
	queued  bool // in the shard's run queue
	failed  bool // panicked: only system messages are run
	stopped bool // what comes now goes back to the broker

	state    userState
	locked   bool  // the id has proved possession of its key once: see lock.go
	lockKept bool  // the store knows that too
	locking  bool  // the store is being told
	link     *Link // the conn mail goes to
	waits    *waits

	delivery delivery // three lines, but for what follows
	nextSeq  uint64
	timer    Timer

	pid      *actor.PID
	key      string
	namesake *user // in the registry, whose id has the same prefix; nil for most
	id       protocol.UserID
	epoch    uint32        // of the conn: pages asked for before it came are void
	idleAt   time.Duration // without a conn: since when there has been nothing to do
}

type userState uint8

const (
	loading userState = iota
	standing
	gone
)

// userFor returns the actor of a user, spawning it if there is none. Called by the shard, outside any actor. It is asked
// for every message: an id by value would be copied twice.
func (s *Shard) userFor(id *protocol.UserID) *user {
	if u := s.latest; u != nil && u.id == *id {
		return u
	}
	if u := s.users.get(id); u != nil {
		s.latest = u
		return u
	}
	u := &user{id: *id, nextSeq: s.startSeq()}
	u.shard = s
	u.delivery.init(u, &s.pool)
	u.timer.Fire = u.fire
	s.users.add(u)
	s.spawning = u
	pid, err := s.broker.system.Root.SpawnNamed(s.props, s.userName)
	if err != nil { // the host has taken that name
		pid, err = s.broker.spawn(s.props)
	}
	s.spawning = nil
	if err != nil {
		panic("actors: " + err.Error())
	}
	u.pid = pid
	s.unlist(pid)
	return u
}

// Receive implements actor.Actor.
func (u *user) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *batch:
		for l := m.take(); l != nil; l = m.take() {
			u.receive(l)
		}
		u.finish()
	case *actor.Started:
		u.load()
	case *actor.Stopping:
		u.depart()
	}
}

func (u *user) receive(l *letter) {
	if u.state == gone {
		u.shard.leftOver(u, l)
		return
	}
	if u.state == loading && l.kind != letterKey && l.kind != letterTick {
		w := u.waiting()
		w.letters = append(w.letters, l.clone())
		return
	}
	switch l.kind {
	case letterSubmit:
		u.delivery.submit(&l.arrival)
	case letterAttach:
		u.attach(l.link)
	case letterDetach:
		u.detach(l.link)
	case letterPong:
		u.pong(l.link, l.arrival.payload)
	case letterRecv:
		u.recv(l)
	case letterStored:
		u.stored(l.op)
	case letterPage:
		u.page(l.op)
	case letterKey:
		u.loaded(l.op)
	case letterLocked:
		u.lockDone(l.op)
	case letterTick:
		u.tick()
	case letterWritable:
		u.delivery.advanceMode()
	case letterLeave:
		u.leave()
	case letterRelieve:
		u.delivery.relieve()
	case letterExpel:
		if u.stuck() > 0 {
			u.link.expel(protocol.CodeNone, protocol.CloseTryAgain)
		}
	}
}

// finish ends the actor's turn: what was parked goes out as one append.
func (u *user) finish() {
	u.delivery.flushOpen()
	u.arm()
}

// load asks the store whether the user exists.
func (u *user) load() {
	u.shard.request(&op{kind: opKeys, user: u.id, owner: u})
	u.idleAt = u.shard.now
	u.arm()
}

func (u *user) loaded(o *op) {
	if u.state != loading {
		return
	}
	code := protocol.CodeNone
	switch {
	case o.err != nil:
		code = protocol.CodeStoreUnavailable
	case o.key.Key == nil:
		code = protocol.CodeUserNotFound
	case protocol.NewUserID(o.key.Key) != u.id: // or who can write keys to the store could prove one of their own
		code = protocol.CodeStoreUnavailable
	}
	u.settleWaiting(code, string(o.key.Key), o.key.Locked)
}

// settleWaiting serves what came while loading, or refuses it and stops.
func (u *user) settleWaiting(code protocol.Code, key string, locked bool) {
	u.state, u.key, u.locked, u.lockKept = standing, key, locked, locked
	for _, l := range u.takeLetters() {
		switch {
		case code == protocol.CodeNone:
			u.receive(l)
		case l.kind == letterSubmit:
			u.settle(l.arrival.sender, code, &l.arrival)
		case l.kind == letterAttach:
			u.refuse(l.link, code)
		}
	}
	if code != protocol.CodeNone {
		u.quit()
	}
}

// refuse closes a conn that cannot be attached.
func (u *user) refuse(l *Link, code protocol.Code) {
	if code == protocol.CodeUserNotFound {
		l.expel(code, protocol.CloseUserNotFound)
		return
	}
	l.expel(protocol.CodeNone, protocol.CloseTryAgain)
}

// attach makes l the user's conn if it may be: after the lock that its proof calls for.
func (u *user) attach(l *Link) {
	switch {
	case l.phase != linkOpen:
	case u.shard.leaving:
		l.expel(protocol.CodeNone, protocol.CloseTryAgain)
	case !l.proven && u.mustProve():
		l.expel(protocol.CodeProofRequired, protocol.CloseProofRequired)
	case l.proven && !u.lockKept && u.shard.broker.config.auth != AuthOpen:
		u.lock(l)
	default:
		u.join(l)
	}
}

// join makes l the user's conn: the newest wins. On a machine with much to do a conn that its client has given up long ago
// may come here after the next one.
func (u *user) join(l *Link) {
	if old := u.link; old != nil {
		if old.newerThan(l) {
			l.expel(protocol.CodeReplaced, protocol.CloseReplaced)
			return
		}
		old.expel(protocol.CodeReplaced, protocol.CloseReplaced)
	}
	u.link, l.user = l, u
	u.epoch++
	l.lastSeen = stampOf(u.shard.now)
	u.shard.count(statAttached, 1)
	l.counted = true
	u.shard.broker.emit(Event{Kind: EventAttached, User: u.id})
	if l.profile == V1 {
		l.control(protocol.AppendFrame(nil, protocol.OpText,
			protocol.AppendReady(nil, u.id, l.proven, u.shard.broker.config.limits)))
	}
	u.delivery.attach(l.profile, u.shard.broker.nonce())
	l.resume()
}

// detach ends what the conn l, which is gone, was for this user.
func (u *user) detach(l *Link) {
	l.user = nil
	if u.link == l {
		u.unlink(l)
	}
}

// unlink parts from the conn.
func (u *user) unlink(l *Link) {
	if u.link != l {
		return
	}
	u.link = nil
	u.epoch++
	u.shard.broker.emit(Event{Kind: EventDetached, User: u.id})
	if w := u.waits; w != nil {
		w.retryAt, w.spillAgain = 0, 0
		u.waited()
	}
	u.idleAt = u.shard.now
	u.delivery.detach()
	u.finish()
}

func (u *user) pong(l *Link, payload []byte) {
	if u.link != l || !u.delivery.pong(payload) {
		l.weigh(0)
	}
}

// recv takes a v1 client's word that it has all up to a seq.
func (u *user) recv(m *letter) {
	code := protocol.CodeNone
	switch {
	case u.link != m.link:
		return
	case m.seq >= u.nextSeq:
		code = protocol.CodeInvalidMessage
		u.shard.refused(code, u.id)
		m.link.weigh(0)
	default:
		m.link.weigh(u.delivery.confirm(m.seq))
	}
	m.link.settle(m.ticket, 0, code, m.link.errorFrame(code, nil, nil))
}

func (u *user) stored(o *op) {
	if w := u.waits; w != nil {
		if i := slices.Index(w.appends, o.append); i >= 0 {
			w.appends, w.until = slices.Delete(w.appends, i, i+1), slices.Delete(w.until, i, i+1)
		}
		u.waited()
	}
	u.idleAt = u.shard.now
	u.delivery.stored(o.append)
}

func (u *user) page(o *op) {
	if o.epoch != u.epoch {
		return
	}
	if o.page.Err != nil || o.partial {
		u.waiting().retryAt = u.shard.now + readRetry
	}
	u.shard.count(statDrained, len(o.page.Pending))
	u.delivery.page(&o.page, o.partial)
}

// leave closes the conn in order, for a shutdown: everything is stored, and what the client sends until its own close
// is still taken in.
func (u *user) leave() {
	l := u.link
	if l == nil {
		return
	}
	u.delivery.leave()
	if l.profile == V1 {
		l.control(protocol.AppendFrame(nil, protocol.OpText, protocol.AppendGoingAway(nil, u.shard.broker.spread())))
	}
	l.end(protocol.CodeNone, protocol.CloseGoingAway, true)
}

// quit stops the actor. Nothing is in memory or under way; whoever comes now finds a new one.
func (u *user) quit() {
	u.state = gone
	u.shard.forget(u)
	u.shard.broker.system.Root.Stop(u.pid)
}

// depart follows protoactor's Stopping: after quit there is nothing to do; after a panic, or a stop by somebody who
// knows the PID, what is in memory goes to the store before a successor can start.
func (u *user) depart() {
	u.shard.Stop(&u.timer)
	u.stopped = true
	if u.state == gone {
		return
	}
	loaded := u.state == standing
	u.state = gone
	u.shard.forget(u)
	for _, l := range u.takeLetters() {
		u.shard.leftOver(u, l)
	}
	if loaded {
		u.delivery.flushOpen()
		if l := u.link; l != nil {
			l.expel(protocol.CodeNone, protocol.CloseInternal) // which spills by unlink
		}
	}
}
