package ledger

import (
	"fmt"
	"strings"
)

// kind is a kind of fault.
type kind int

const (
	lost kind = iota
	reordered
	altered
	misdelivered
	invented
	seqBroken
	kinds
)

var kindNames = [kinds]string{"lost", "reordered", "altered", "misdelivered", "invented", "with a broken seq"}

// examples is how many faults of a kind are told in full.
const examples = 5

// faults are what went wrong.
type faults struct {
	count [kinds]int
	text  [kinds][]string
}

func (f *faults) add(k kind, format string, args ...any) {
	if f.count[k]++; f.count[k] <= examples {
		f.text[k] = append(f.text[k], fmt.Sprintf(format, args...))
	}
}

// Verdict is the ledger's judgement.
type Verdict struct {
	Count Count

	// How often each promise was broken.
	Lost         int
	Reordered    int
	Altered      int
	Misdelivered int
	Invented     int
	SeqBroken    int

	faults faults
}

// OK says that no promise was broken.
func (v *Verdict) OK() bool { return v.faults.count == [kinds]int{} }

// String tells what went wrong, with examples, or that nothing did.
func (v *Verdict) String() string {
	if v.OK() {
		return "nothing lost, reordered, altered, misdelivered or invented"
	}
	var out strings.Builder
	for k, n := range v.faults.count {
		if n == 0 {
			continue
		}
		fmt.Fprintf(&out, "%d %s:\n", n, kindNames[k])
		for _, text := range v.faults.text[k] {
			fmt.Fprintf(&out, "\t%s\n", text)
		}
	}
	return out.String()
}

// Judge says what went wrong. It is for the end, when everybody has got all that there was for him.
func (l *Ledger) Judge() *Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &Verdict{Count: l.count, faults: l.faults}
	v.Count.Attempts = l.attempts
	for _, p := range l.order {
		f := l.flows[p]
		for _, m := range f.sent {
			v.weigh(p, m)
		}
		v.judgeOrder(p, f)
	}
	v.Lost, v.Reordered, v.Altered = v.faults.count[lost], v.faults.count[reordered], v.faults.count[altered]
	v.Misdelivered, v.Invented, v.SeqBroken = v.faults.count[misdelivered], v.faults.count[invented], v.faults.count[seqBroken]
	return v
}

// weigh counts one message and judges whether it is where it should be.
func (v *Verdict) weigh(p pair, m *message) {
	c := &v.Count
	c.Messages++
	if m.acked {
		c.Acks++
	}
	if m.came > 0 {
		c.Delivered++
		c.Duplicates += m.came - 1
	}
	switch {
	case m.acked && m.came == 0:
		v.faults.add(lost, "%s from %.8s to %.8s, attempts %d to %d", m.id, p.from, p.to, m.first, m.last)
	case m.final && m.came > 0 && !m.acked:
		v.faults.add(invented, "%s from %.8s to %.8s came although it was refused", m.id, p.from, p.to)
	case !m.acked && m.came > 0:
		c.Unacked++
	case !m.acked && !m.refused:
		c.Unknown++
	}
}

// judgeOrder judges the order of first occurrences.
func (v *Verdict) judgeOrder(p pair, f *flow) {
	highest := -1       // number of those that came and were never refused
	var latest *message // of those that came, by their first attempts
	for _, m := range f.came {
		strict := !m.refused
		switch {
		case strict && m.number < highest:
			v.faults.add(reordered, "%s from %.8s to %.8s came behind the one %d later", m.id, p.from, p.to, highest-m.number)
		case latest != nil && m.last < latest.first:
			v.faults.add(reordered, "%s from %.8s to %.8s, last tried at %d, came behind %s, first tried at %d",
				m.id, p.from, p.to, m.last, latest.id, latest.first)
		}
		if strict {
			highest = max(highest, m.number)
		}
		if latest == nil || m.first > latest.first {
			latest = m
		}
	}
}
