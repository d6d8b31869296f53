package actors

import "time"

// stamp is a moment in milliseconds since the shard's start, in half the space of a [time.Duration]: there is one per
// unconfirmed envelope. It comes round after 49 days, so it only tells how long ago something was that is younger.
type stamp uint32

// longestWait bounds the waits whose beginning is kept as a stamp.
const longestWait = 7 * 24 * time.Hour

func stampOf(now time.Duration) stamp { return stamp(now / time.Millisecond) }

// age returns how long before now the moment was, in whole milliseconds.
func (s stamp) age(now time.Duration) time.Duration {
	return time.Duration(stampOf(now)-s) * time.Millisecond
}

// time returns the moment, in whole milliseconds since the shard's start.
func (s stamp) time(now time.Duration) time.Duration {
	return now.Truncate(time.Millisecond) - s.age(now)
}
