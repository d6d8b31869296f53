package protocol_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestScanner_AgreesOnRandomFrames holds the scanner against the reference on frames that are mostly in order, which
// fuzzing seldom makes. FRAMES asks for another number of them than the usual.
func TestScanner_AgreesOnRandomFrames(t *testing.T) {
	frames := 5_000
	if n, err := strconv.Atoi(os.Getenv("FRAMES")); err == nil {
		frames = n
	}
	taken := 0
	for seed := range frames {
		g := generator{rand.New(rand.NewPCG(uint64(seed), 0))}
		frame := g.frame()
		compareEnvelope(t, frame)
		compareClientFrame(t, frame)
		if _, err := referenceEnvelope(frame); err == nil {
			taken++
		} else if _, err := referenceFrame(frame); err == nil {
			taken++
		}
	}
	if taken < frames/4 || taken > frames*3/4 {
		t.Errorf("%d of %d frames were in order, which tests one side only", taken, frames)
	}
}

// generator makes frames of both profiles.
type generator struct{ *rand.Rand }

// one in n times it does what is rare.
func (g generator) rarely(n int) bool { return g.IntN(n) == 0 }

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) frame() []byte {
	members := []string{g.member("to", g.text()), g.member("payload", g.text())}
	if !g.rarely(3) {
		members = append(members, g.member("from", g.text()))
	}
	if g.rarely(2) {
		members = append(members, g.member("type", g.pick(`"send"`, `"send"`, `"recv"`, `"proof"`, `"s\u0065nd"`, `"x"`)),
			g.member("id", g.text()), g.member("seq", g.number()), g.member("ttl", g.number()))
	}
	for g.rarely(2) {
		members = append(members, g.member(g.pick("x", "y", "z", "to", "tag", "sig", "é", "\U0001F600", ""), g.value(1)))
	}
	if g.rarely(20) {
		for i := range 20 {
			members = append(members, g.member("n"+strconv.Itoa(i), "0"))
		}
	}
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	frame := []byte(g.space() + "{" + strings.Join(members, ",") + "}" + g.space())
	if g.rarely(4) {
		place := g.IntN(len(frame))
		frame[place] = g.pick("\"", "\\", "{", "}", "[", "]", ",", ":", "0", "e", "u", "\x1f", "\x80", " ")[0]
	}
	return frame
}

func (g generator) space() string {
	if g.rarely(8) {
		return g.pick(" ", "\t", "\r\n", "   ", " \n        ")
	}
	return ""
}

func (g generator) member(name, value string) string {
	var b strings.Builder
	for _, r := range name {
		b.WriteString(g.character(r))
	}
	return g.space() + `"` + b.String() + `"` + g.space() + ":" + g.space() + value + g.space()
}

// character writes r as it is or, rarely, as an escape.
func (g generator) character(r rune) string {
	switch {
	case !g.rarely(40):
		return string(r)
	case r > 0xFFFF:
		r -= 0x10000
		return g.escape(0xD800+r>>10) + g.escape(0xDC00+r&0x3FF)
	}
	return g.escape(r)
}

func (g generator) escape(r rune) string {
	digits := strconv.FormatInt(0x10000+int64(r), 16)[1:]
	return `\u` + g.pick(digits, strings.ToUpper(digits))
}

// text returns a string, quotes included.
func (g generator) text() string {
	var b strings.Builder
	for range g.IntN(24) {
		if g.rarely(10) {
			b.WriteString(g.pick(`\"`, `\\`, `\/`, `\b`, `\n`, `\ud83d`, `\ude00`, `\u0041`, "é", "\U0001F600", "\ufffd"))
		} else {
			b.WriteByte(byte(g.pick("abcdefgh", "01234567")[g.IntN(8)]))
		}
	}
	return `"` + b.String() + `"`
}

func (g generator) number() string {
	return g.pick("", "", "", "-") + g.pick("0", "1", "10", "60", "900", "18446744073709551615", "9007199254740993") +
		g.pick("", "", ".0", ".5", ".250") + g.pick("", "", "e0", "E+1", "e-1", "e18", "e-2", "e99999999999999999999")
}

// value returns any value that stands depth deep.
func (g generator) value(depth int) string {
	deep := depth > 4 && !g.rarely(50)
	switch kind := g.IntN(6); {
	case kind == 0:
		return g.text()
	case kind == 1 || deep:
		return g.number()
	case kind == 2:
		return g.pick("true", "false", "null")
	case kind == 3 && g.rarely(10):
		n := 29 + g.IntN(4)
		return strings.Repeat("[", n) + g.value(n) + strings.Repeat("]", n)
	case kind == 4:
		return "[" + g.space() + g.value(depth+1) + g.space() + "," + g.value(depth+1) + "]"
	}
	a, b := g.pick("a", "b", "to"), g.pick("a", "c", "d", "e", "f", "x", "")
	return "{" + g.member(a, g.value(depth+1)) + "," + g.member(b, g.value(depth+1)) + "}"
}
