package client

import "github.com/enigma-protocol/enigma/actors/protocol"

// outgoing is one message from the moment a caller handed it over until it is settled: answered, given up, or failed
// with the Client. All but the static fields are guarded by Client.mu.
type outgoing struct {
	// Static.
	to, id, payload string
	ttl             int64         // seconds; 0 for the server's
	settled         chan struct{} // closed when err is final

	err        error // nil: safe; valid once settled is closed
	done       bool
	ever       bool // written on some connection, so its outcome is unknown until answered
	onWire     bool // written on the current connection
	prev, next *outgoing
}

// key is what an answer names a message by.
type key struct{ to, id string }

// outbox holds the messages that are not settled, in the order of their Sends. That order is kept towards the server:
// written ones are always a prefix, and after a reconnect writing starts again at the front.
//
// A plain struct; Client.mu guards it.
type outbox struct {
	byKey       map[key]*outgoing
	first, last *outgoing
	cursor      *outgoing // the first one not on the wire; nil if there is none
	inFlight    int       // how many are on the wire
}

// add appends a message. It is false if one with the same recipient and id is there.
func (o *outbox) add(m *outgoing) bool {
	k := key{m.to, m.id}
	if _, dup := o.byKey[k]; dup {
		return false
	}
	if o.byKey == nil {
		o.byKey = make(map[key]*outgoing)
	}
	o.byKey[k] = m
	if m.prev = o.last; m.prev != nil {
		m.prev.next = m
	} else {
		o.first = m
	}
	o.last = m
	if o.cursor == nil {
		o.cursor = m
	}
	return true
}

// take marks the next message as written and returns it; nil if all are, or window are in flight. A window of 0 is
// unbounded.
func (o *outbox) take(window int) *outgoing {
	m := o.cursor
	if m == nil || window > 0 && o.inFlight >= window {
		return nil
	}
	o.cursor = m.next
	o.inFlight++
	m.onWire, m.ever = true, true
	return m
}

// settle removes a message and publishes its outcome. It is false if it was settled before.
func (o *outbox) settle(m *outgoing, err error) bool {
	if m.done {
		return false
	}
	if m.onWire {
		o.inFlight--
	} else if o.cursor == m {
		o.cursor = m.next
	}
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		o.first = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	} else {
		o.last = m.prev
	}
	m.prev, m.next = nil, nil
	delete(o.byKey, key{m.to, m.id})
	m.done, m.err = true, err
	close(m.settled)
	return true
}

// find returns the message that an answer is about; nil if there is none (any more). An error may come without to.
func (o *outbox) find(to, id string) *outgoing {
	if m := o.byKey[key{to, id}]; m != nil && m.ever {
		return m
	}
	if to == "" && id != "" {
		for m := o.first; m != o.cursor; m = m.next {
			if m.id == id {
				return m
			}
		}
	}
	return nil
}

// largest returns the message on the wire with the longest payload: the one that a close for size is about.
func (o *outbox) largest() (big *outgoing) {
	for m := o.first; m != o.cursor; m = m.next {
		if big == nil || len(m.payload) > len(big.payload) {
			big = m
		}
	}
	return big
}

// rewind starts again at the front: the connection that messages were written on is gone.
func (o *outbox) rewind() {
	for m := o.first; m != o.cursor; m = m.next {
		m.onWire = false
	}
	o.cursor, o.inFlight = o.first, 0
}

// window is how many messages may be on their way at once.
func window(l protocol.Limits) int { return l.MaxUnacked }
