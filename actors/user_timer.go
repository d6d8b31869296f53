package actors

import (
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// One timer per user serves all its deadlines. It is armed for the earliest of them; when that moves back, the timer
// fires too early once and is set anew, which costs less than setting it at every frame.

// fire posts the tick, on the shard: the work is done inside the actor.
func (u *user) fire() { u.push(u.shard.letter(letter{kind: letterTick})) }

// arm sets the timer for the next deadline if it is not set for an earlier moment.
func (u *user) arm() {
	if u.state == gone {
		return
	}
	due := u.deadline()
	if due == 0 {
		return
	}
	wait := max(due-u.shard.now, 0)
	if u.timer.armed() && u.timer.deadline <= int64((u.shard.now+wait)/wheelTick)+1 {
		return
	}
	u.shard.Set(&u.timer, wait)
}

// deadline returns when the user must act next, 0 for never.
func (u *user) deadline() time.Duration {
	var due time.Duration
	earlier := func(at time.Duration) {
		if at > 0 && (due == 0 || at < due) {
			due = at
		}
	}
	w := u.waits
	if w != nil && len(w.until) > 0 {
		earlier(w.until[0])
	}
	if u.state == loading {
		earlier(u.idleAt + parkPatience)
		return due
	}
	if u.link == nil {
		earlier(u.idleAt + lingerAway)
		return due
	}
	earlier(u.delivery.fenceDue(u.shard.now))
	earlier(u.spillDue())
	earlier(u.livenessDue())
	if w != nil {
		earlier(w.retryAt)
	}
	return due
}

// tick does what is due.
func (u *user) tick() {
	now := u.shard.now
	if u.appending() {
		u.tickAppends(now)
	}
	switch {
	case u.state == loading:
		if now >= u.idleAt+parkPatience && u.storeMoves() {
			u.idleAt = now - parkPatience*3/4
		} else if now >= u.idleAt+parkPatience {
			u.settleWaiting(protocol.CodeStoreUnavailable, "", false)
		}
	case u.link == nil:
		if now >= u.idleAt+lingerAway && u.delivery.idle() && !u.appending() && !u.locking {
			u.quit()
		}
	default:
		u.tickConn(now)
	}
}

// tickAppends refuses the senders who have waited too long, unless the store only needs time.
func (u *user) tickAppends(now time.Duration) {
	w := u.waits
	if w.until[0] <= now && u.storeMoves() {
		w.until[0] = now + parkPatience/4
	}
	for len(w.until) > 0 && w.until[0] <= now {
		u.delivery.expired(w.appends[0])
		w.appends, w.until = w.appends[1:], w.until[1:]
	}
	u.waited()
}

// storeMoves says that the store is slow, not down.
func (u *user) storeMoves() bool {
	return u.shard.broker.persisters[u.shard.broker.persisterOf(u.id)].moves()
}

func (u *user) tickConn(now time.Duration) {
	if w := u.waits; w != nil && w.retryAt > 0 && now >= w.retryAt {
		w.retryAt = 0
		u.waited()
		u.delivery.advanceMode()
	}
	if due := u.spillDue(); due > 0 && now >= due {
		u.spill()
	}
	if due := u.delivery.fenceDue(now); due > 0 && now >= due {
		u.link.touch()
	}
	if due := u.livenessDue(); due > 0 && now >= due {
		u.checkLife(now)
	}
}

// spillDue returns when the oldest envelope that is in memory alone is to be stored.
func (u *user) spillDue() time.Duration {
	at, ok := u.delivery.oldestLive()
	if !ok {
		return 0
	}
	due := at.time(u.shard.now) + u.shard.bounds().SpillAfter
	if u.waits != nil {
		due = max(due, u.waits.spillAgain)
	}
	return due
}

// spill stores what has been unconfirmed too long. While the store takes nothing it stays in memory, within its bounds.
func (u *user) spill() {
	if u.refusing() != protocol.CodeNone {
		u.waiting().spillAgain = u.shard.now + u.shard.bounds().SpillAfter
		return
	}
	if !u.shard.broker.budget.maySpill() { // the store has enough to do
		u.waiting().spillAgain = u.shard.now + spillRetry
		return
	}
	if u.waits != nil {
		u.waits.spillAgain = 0
		u.waited()
	}
	u.delivery.spillOld()
}

// livenessDue returns when the conn's silence is to be looked at. While it is stopped for its credit its silence is
// ours, until that has lasted for the idle timeout.
func (u *user) livenessDue() time.Duration {
	l := u.link
	if l.phase != linkOpen {
		return 0
	}
	idle := u.shard.bounds().IdleTimeout
	since := l.lastSeen.time(u.shard.now) + time.Duration(l.missed)*idle
	if l.paused {
		since = max(since, l.stopped.time(u.shard.now)+idle)
	}
	return since + idle
}

// checkLife pings a silent conn twice, and drops it when both go unanswered. An unanswered fence counts as the first.
func (u *user) checkLife(now time.Duration) {
	l := u.link
	l.missed++
	switch {
	case l.missed == 1 && u.delivery.fence.seq != 0:
	case l.missed <= 2:
		l.control(u.delivery.fence.liveness(nil))
	default:
		u.shard.count(statTimedOut, 1)
		l.expel(protocol.CodeNone, protocol.CloseGoingAway)
	}
}
