package actors

import "time"

// waits is what a user has only while it waits for the store; most have none.
type waits struct {
	letters    []*letter       // while loading, or while locking
	appends    []*appendOp     // under way, with senders who wait, in the order of their deadlines
	until      []time.Duration // the deadlines
	retryAt    time.Duration   // a page is read again, 0 for none
	spillAgain time.Duration   // not before, after the store was found down
}

// waiting returns the user's waits, to be added to.
func (u *user) waiting() *waits {
	if u.waits == nil {
		u.waits = &waits{}
	}
	return u.waits
}

// waited lets go of waits that are over.
func (u *user) waited() {
	if w := u.waits; w != nil && len(w.letters)+len(w.appends) == 0 && w.retryAt == 0 && w.spillAgain == 0 {
		u.waits = nil
	}
}

// appending says that senders wait for an append.
func (u *user) appending() bool { return u.waits != nil && len(u.waits.appends) > 0 }

// takeLetters removes what came while loading or locking.
func (u *user) takeLetters() []*letter {
	if u.waits == nil {
		return nil
	}
	letters := u.waits.letters
	u.waits.letters = nil
	u.waited()
	return letters
}
