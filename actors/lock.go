package actors

import "github.com/enigma-protocol/enigma/actors/protocol"

// A lock says that an id has proved possession of its key once and has to from then on. It counts in the actor from the
// moment the proven conn asks to attach, so that nobody slips in who has not proved, and that conn is attached when the
// store has it too: a client that was told it is ready may rely on the lock, whatever happens to the server.
//
// If the store fails, the conn is closed and may come again. The lock then holds as long as the actor does.
//
// With AuthRequire everybody has to prove anyway, and locks are kept all the same: they count if the policy is changed.

// mustProve reports whether a conn without proof may not attach.
func (u *user) mustProve() bool {
	if u.link != nil && u.link.proven {
		return true
	}
	switch u.shard.broker.config.auth {
	case AuthRequire:
		return true
	case AuthOpen:
		return false
	}
	return u.locked
}

// lock has the store keep the lock, and the proven conn wait for it. Those that come meanwhile wait in line.
func (u *user) lock(l *Link) {
	u.locked = true
	w := u.waiting()
	w.letters = append(w.letters, &letter{kind: letterAttach, link: l})
	if !u.locking {
		u.locking = true
		u.shard.request(&op{kind: opLock, user: u.id, owner: u})
	}
}

// lockDone attaches the conns that wait for the lock, or turns them away.
func (u *user) lockDone(o *op) {
	u.locking = false
	u.lockKept = o.err == nil
	u.idleAt = u.shard.now
	for _, l := range u.takeLetters() {
		if u.lockKept {
			u.attach(l.link)
		} else {
			u.refuse(l.link, protocol.CodeStoreUnavailable)
		}
	}
}
