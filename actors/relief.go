package actors

import (
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// One budget bounds the bytes of all buffered mail: outboxes, what is held, what is on its way to the store, answers
// that nobody reads, messages that have come in part.
//
//   - Above it the users with the most in memory are relieved: what they have goes to the store, and leaves memory but
//     for the rest of a frame that was cut. As the copies for the store count too, only an eighth of the budget is
//     copied at a time: the others follow when the store has answered.
//   - New mail for a user whose conn takes no bytes then goes to the store as well, so that its sender has to wait for
//     it: credit shrinks with what is left of the reserve, a quarter of the budget. So those are slowed down who write to readers that do not
//     read. Mail to others is settled within the turn, and needs next to no credit.
//   - When the reserve is used up nothing is read from anybody until there is some again. Should that last, the conns
//     that take no bytes and hold the most are closed with 1013: their mail is in the store.
//   - Accepted mail that a store does not take, being full or down, cannot be given up. It is no reason to slow anybody
//     down, who might wait for ever, and has a bound of its own: half the budget. Beyond that a user has brimBytes, or
//     one envelope, unconfirmed, and what is more is refused, so that conns that end leave little.

const (
	reliefInterval = 20 * time.Millisecond
	spillRetry     = 100 * time.Millisecond // what was unconfirmed for too long waits for the store
	brimBytes      = 8 << 10
	stuckPatience  = time.Second // full for so long without anything to relieve: conns are closed
)

// heavy is a user with something in memory.
type heavy struct {
	user  *user
	bytes int
}

// credit returns how many messages and bytes a conn may have under way.
func (s *Shard) credit() (messages, bytes int) {
	b := &s.broker.config.delivery
	used, limit := s.broker.budget.load(), s.broker.budget.limit
	if used <= limit {
		return b.CreditMessages, b.CreditBytes
	}
	reserve := s.broker.budget.reserve()
	left := float64(limit+reserve-used) / float64(reserve+1)
	if left <= 0 {
		return 0, 0
	}
	return 1 + int(left*float64(b.CreditMessages-1)), 1 + int(left*float64(b.CreditBytes-1))
}

// pausedLink notes a conn that was stopped; should the memory be the reason, the relief timer lets it go on.
func (s *Shard) pausedLink(l *Link) {
	s.paused[l] = struct{}{}
	if s.broker.budget.over() {
		s.watchMemory()
	}
}

// watchMemory sees to the budget until it is kept again.
func (s *Shard) watchMemory() {
	if !s.relief.armed() {
		s.Set(&s.relief, reliefInterval)
	}
}

// relieve sees to the budget, and lets the conns that were stopped for it go on. It looks at all users: now and then,
// not every turn, and the less often the more there are.
func (s *Shard) relieve() {
	b, begin := &s.broker.budget, s.broker.config.clock.Mono()
	if b.over() {
		if !s.relieveSome() && b.full() {
			s.stuck(begin)
		}
		s.Set(&s.relief, max(reliefInterval, 10*(s.broker.config.clock.Mono()-begin)))
	}
	if !b.full() {
		s.fullSince = 0
		for l := range s.paused {
			l.relax()
		}
	} else if len(s.paused) > 0 {
		s.watchMemory()
	}
}

// relieveSome relieves the users with the most in memory, as far as the store keeps up, and reports whether something
// is under way. While the store takes nothing, nothing can be done.
func (s *Shard) relieveSome() bool {
	b := &s.broker.budget
	if s.broker.storeDown.Load() || s.broker.storeFull() {
		return b.spilling.Load() > b.blocked.Load()
	}
	most, list := 0, s.heavies[:0]
	for u := range s.users.all() {
		if n := u.delivery.relievable(); n > 0 {
			most = max(most, n)
			list = append(list, heavy{u, n})
		}
	}
	room := b.copies() - b.spilling.Load()
	any := b.spilling.Load() > 0
	for _, h := range list {
		copies := h.user.delivery.mode != draining
		if h.bytes < most/2 || copies && room < 0 {
			continue
		}
		if any = true; copies {
			room -= int64(h.bytes)
		}
		h.user.push(s.letter(letter{kind: letterRelieve}))
	}
	clear(list)
	s.heavies = list[:0]
	if cap(list) > 4*maxJobs {
		s.heavies = nil
	}
	return any
}

// stuck closes the conns that hold the most, once it has lasted.
func (s *Shard) stuck(now time.Duration) {
	if s.fullSince == 0 {
		s.fullSince = now
	}
	if now-s.fullSince < stuckPatience {
		return
	}
	most := 0
	for u := range s.users.all() {
		most = max(most, u.stuck())
	}
	over := s.broker.budget.load() - s.broker.budget.limit
	for u := range s.users.all() {
		if n := u.stuck(); n > 0 && n >= most/2 && over > 0 {
			over -= int64(n)
			u.push(s.letter(letter{kind: letterExpel}))
		}
	}
}

// stuck returns how many bytes are kept for a conn that does not take them.
func (u *user) stuck() int {
	if u.link == nil || !u.link.busy || u.link.phase != linkOpen {
		return 0
	}
	return cap(u.delivery.out.buf) + cap(u.link.ctl)
}

// relieve gives up memory: what is in the outbox and what is held goes to the store, and leaves memory but for what is
// on the wire.
func (d *delivery) relieve() {
	if d.relievable() == 0 {
		return
	}
	d.spill()
	d.surrender()
	d.mode, d.relieving = draining, true
	if d.open == nil { // it is all in the store already
		d.cut()
		d.advanceMode()
	}
}

// relievable returns how many bytes relieve could give up.
func (d *delivery) relievable() int {
	if d.relieving || d.mode != live && d.mode != catching && d.mode != draining {
		return 0
	}
	n := cap(d.out.buf) - d.out.stuck()
	if d.held != nil {
		n += d.held.size
	}
	return n
}

// fits says whether the outbox takes a payload of n bytes more. One envelope always fits, however large. What needs no
// memory any more counts too, for it is stored: a client that confirms nothing would else have as much stored as it likes.
func (d *delivery) fits(n int) bool {
	return d.out.len() == 0 || d.out.len() < maxUnconfirmed && max(d.out.bytes(), d.out.owed)+n <= d.roomy()
}

// holdable says the same of what is held.
func (d *delivery) holdable(n int) bool {
	held, size := d.holds(), d.out.owed
	if held > 0 {
		size += d.held.size
	}
	return held+d.out.len() == 0 || held+d.out.len() < maxUnconfirmed && size+n+frameOverhead <= d.roomy()
}

// roomy returns how many bytes a user may have in memory alone. At the brim all of it would be blocked if its conn ended.
func (d *delivery) roomy() int {
	if d.pool.brim {
		return min(brimBytes, d.port.bounds().OutboxBytes)
	}
	return d.port.bounds().OutboxBytes
}

// burdens says that n bytes more for this user, whose conn takes none, are to go to the store, with all there is. Where
// the outbox would have to grow, a copy of it for the store takes no more.
func (d *delivery) burdens(n int) bool {
	return d.port.busy() &&
		(d.port.refusing() != protocol.CodeNone || d.pool.budget.maySpill() || cap(d.out.buf)-len(d.out.buf) < n+frameOverhead)
}

// cut ends relieve: it lets go of what is stored by now and not sent, to be read again when the conn takes more. It
// waits for a read that is under way, which would come back without what is cut.
func (d *delivery) cut() {
	if !d.relieving || d.reading {
		return
	}
	d.relieving = false
	if d.out.len() == 0 || d.out.last().state != entryStored {
		return
	}
	d.storedTo = max(d.storedTo, d.placed)
	d.parkedTo = max(d.parkedTo, d.storedTo)
	d.pool.meter.pending -= int64(d.out.len())
	d.out.cut(d.pool)
	d.pool.meter.pending += int64(d.out.len())
	d.tidy()
	d.placed = d.confirmed
	if d.out.len() > 0 {
		d.placed = d.out.last().seq
	}
}
