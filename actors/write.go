package actors

// Writing is the last step of a turn: one write per conn that has something to write. Three things wait there, in
// this order: the rest of a data frame that was cut, the answers and control frames, the data. Answers pass data,
// because data may wait for the client's confirms while the client waits for an answer.

// maxGather is how many bytes are copied together so that answers and data leave in one write.
const maxGather = 64 << 10

// flush writes what the conn takes.
func (l *Link) flush() {
	l.queued = false
	if l.busy || l.phase != linkOpen {
		return
	}
	u := l.user
	if u == nil || u.link != l {
		l.flushControl()
		return
	}
	d := &u.delivery
	d.ride(l.shard.now)
	for !l.busy && l.phase != linkDead {
		from, limit := d.out.sent, d.sendLimit()
		switch {
		case from >= limit && len(l.ctl) == 0:
			u.arm()
			return
		case len(l.ctl) == 0:
			d.sent(l.write(d.out.buf[from:limit]))
		case from >= limit:
			l.flushControl()
		default:
			l.flushBoth(d, limit)
		}
	}
	u.arm()
}

// flushBoth gathers data and answers into one write.
func (l *Link) flushBoth(d *delivery, limit int) {
	o := d.out
	rest := 0
	if !l.ctlCut {
		rest = o.boundary() - o.sent
	}
	b := append(l.shard.gather[:0], o.buf[o.sent:o.sent+rest]...)
	b = append(b, l.ctl...)
	if space := maxGather - len(b); space > 0 {
		b = append(b, o.buf[o.sent+rest:min(limit, o.sent+rest+space)]...)
	}
	l.shard.gather = b[:0]
	n := l.write(b)
	first := min(n, rest)
	n -= first
	answers := min(n, len(l.ctl))
	l.wroteControl(answers)
	d.sent(first + n - answers)
}

func (l *Link) flushControl() {
	if len(l.ctl) > 0 {
		l.wroteControl(l.write(l.ctl))
	}
}

// write hands bytes to the conn and notes if it took less.
func (l *Link) write(b []byte) int {
	n, err := l.conn.Write(b)
	l.shard.count(statWrites, 1)
	if err != nil || n < len(b) {
		l.busy = true // the conn detaches, or says when it is writable
	}
	return n
}

// wroteControl removes n bytes of answers.
func (l *Link) wroteControl(n int) {
	if n == 0 {
		return
	}
	if n < len(l.ctl) {
		l.ctl = l.ctl[:copy(l.ctl, l.ctl[n:])]
		l.ctlCut = true
		return
	}
	l.ctlCut = false
	l.dropControl()
	l.relax()
}
