package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

const testLimit = 128 << 10

// heap lends what the collector takes back.
type heap struct{}

func (heap) Buffer(n int) []byte { return make([]byte, 0, max(n, smallest)) }
func (heap) Recycle([]byte)      {}

const smallest = 512

// masked encodes a client's frame.
func masked(first byte, payload []byte) []byte {
	mask := [4]byte{0x12, 0xa7, 0xff, 0x03}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	at := len(b)
	b = append(b, payload...)
	for i := range payload {
		b[at+i] ^= mask[i%4]
	}
	return b
}

func text(s string) []byte { return masked(0x81, []byte(s)) }

// decode runs the input through a decoder, cut at the given offsets, and renders the events.
func decode(t testing.TB, input []byte, limit int, cuts ...int) (*decoder, []string) {
	t.Helper()
	var d decoder
	var got []string
	from := 0
	for _, cut := range append(cuts, len(input)) {
		// A copy of its own, for the decoder unmasks in place.
		p := bytes.Clone(input[from:cut])
		from = cut
		for {
			var ev event
			p = d.next(&ev, p, limit, heap{})
			if ev.kind == eventNone {
				if len(p) != 0 {
					t.Fatalf("%d bytes left over", len(p))
				}
				break
			}
			got = append(got, render(ev))
			if ev.kind == eventBroken && d.held() != nil {
				t.Fatal("a broken decoder holds memory")
			}
		}
	}
	if !d.holding() && d.held() != nil {
		t.Fatal("an idle decoder holds memory")
	}
	return &d, got
}

func render(ev event) string {
	switch ev.kind {
	case eventMessage:
		if ev.binary {
			return fmt.Sprintf("binary %q", ev.payload)
		}
		return fmt.Sprintf("text %q", ev.payload)
	case eventPing:
		return fmt.Sprintf("ping %q", ev.payload)
	case eventPong:
		return fmt.Sprintf("pong %q", ev.payload)
	case eventClose:
		return fmt.Sprintf("close %d", ev.code)
	case eventBroken:
		return fmt.Sprintf("broken %d", ev.code)
	}
	return "none"
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// framingCases are streams with the events that they must give, however they are cut.
var framingCases = []struct {
	name  string
	input []byte
	want  []string
}{
	{"text", text("hello"), []string{`text "hello"`}},
	{"empty text", text(""), []string{`text ""`}},
	{"binary", masked(0x82, []byte{0, 255}), []string{`binary "\x00\xff"`}},
	{"two", join(text("a"), text("b")), []string{`text "a"`, `text "b"`}},
	{"125", text(strings.Repeat("x", 125)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 125))}},
	{"126", text(strings.Repeat("x", 126)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 126))}},
	{"65535", text(strings.Repeat("x", 65535)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 65535))}},
	{"65536", text(strings.Repeat("x", 65536)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 65536))}},
	{"fragments", join(masked(0x01, []byte("he")), masked(0x00, []byte("ll")), masked(0x80, []byte("o"))), []string{`text "hello"`}},
	{"binary fragments", join(masked(0x02, []byte("he")), masked(0x80, []byte("llo")), text("x")), []string{`binary "hello"`, `text "x"`}},
	{"empty fragments", join(masked(0x01, nil), masked(0x00, nil), masked(0x80, nil)), []string{`text ""`}},
	{"empty first fragment", join(masked(0x01, nil), masked(0x80, []byte("x"))), []string{`text "x"`}},
	{
		"control between fragments",
		join(masked(0x01, []byte("he")), masked(0x89, []byte("p")), masked(0x00, []byte("l")), masked(0x8a, nil), masked(0x80, []byte("lo"))),
		[]string{`ping "p"`, `pong ""`, `text "hello"`},
	},
	{"ping between empty fragments", join(masked(0x01, nil), masked(0x89, []byte("p")), masked(0x80, nil)), []string{`ping "p"`, `text ""`}},
	{"ping", masked(0x89, []byte("x")), []string{`ping "x"`}},
	{"ping of 125", masked(0x89, bytes.Repeat([]byte("x"), 125)), []string{fmt.Sprintf("ping %q", strings.Repeat("x", 125))}},
	{"close", masked(0x88, nil), []string{"close 1005"}},
	{"close 1000", masked(0x88, []byte{3, 232}), []string{"close 1000"}},
	{"close with reason", masked(0x88, []byte("\x03\xe8gr\xc3\xbc\xc3\x9fe")), []string{"close 1000"}},
	{"close 1012", masked(0x88, []byte{0x03, 0xf4}), []string{"close 1012"}},
	{"close 4999", masked(0x88, []byte{0x13, 0x87}), []string{"close 4999"}},

	{"close of one byte", masked(0x88, []byte{3}), []string{"broken 1002"}},
	{"close 999", masked(0x88, []byte{0x03, 0xe7}), []string{"broken 1002"}},
	{"close 1004", masked(0x88, []byte{0x03, 0xec}), []string{"broken 1002"}},
	{"close 1005", masked(0x88, []byte{0x03, 0xed}), []string{"broken 1002"}},
	{"close 1006", masked(0x88, []byte{0x03, 0xee}), []string{"broken 1002"}},
	{"close 1015", masked(0x88, []byte{0x03, 0xf7}), []string{"broken 1002"}},
	{"close 2999", masked(0x88, []byte{0x0b, 0xb7}), []string{"broken 1002"}},
	{"close 5000", masked(0x88, []byte{0x13, 0x88}), []string{"broken 1002"}},
	{"close with bad reason", masked(0x88, []byte("\x03\xe8\xff")), []string{"broken 1007"}},
	{"not masked", []byte{0x81, 0x01, 'x'}, []string{"broken 1002"}},
	{"RSV1", masked(0xc1, []byte("x")), []string{"broken 1002"}},
	{"RSV2", masked(0xa1, []byte("x")), []string{"broken 1002"}},
	{"RSV3", masked(0x91, []byte("x")), []string{"broken 1002"}},
	{"opcode 3", masked(0x83, nil), []string{"broken 1002"}},
	{"opcode 7", masked(0x87, nil), []string{"broken 1002"}},
	{"opcode 11", masked(0x8b, nil), []string{"broken 1002"}},
	{"opcode 15", masked(0x8f, nil), []string{"broken 1002"}},
	{"ping in fragments", masked(0x09, []byte("x")), []string{"broken 1002"}},
	{"ping of 126", masked(0x89, bytes.Repeat([]byte("x"), 126)), []string{"broken 1002"}},
	{"continuation of nothing", masked(0x80, []byte("x")), []string{"broken 1002"}},
	{"continuation after a message", join(masked(0x01, []byte("x")), masked(0x80, []byte("y")), masked(0x80, nil)), []string{`text "xy"`, "broken 1002"}},
	{"text within a message", join(masked(0x01, []byte("x")), text("y")), []string{"broken 1002"}},
	{"length not minimal, 16 bits", []byte{0x81, 0xfe, 0, 125, 1, 2, 3, 4}, []string{"broken 1002"}},
	{"length not minimal, 64 bits", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4}, []string{"broken 1002"}},
	{"length with the highest bit", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, []string{"broken 1002"}},
	{"too large", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 2, 0, 1, 1, 2, 3, 4}, []string{"broken 1009"}},
	{"of the largest length", []byte{0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}, []string{"broken 1009"}},
	{
		"too large in sum",
		join(masked(0x01, make([]byte, testLimit-1)), masked(0x80, []byte("ab"))[:6]),
		[]string{"broken 1009"},
	},
	{"nothing after broken", join(masked(0x83, nil), text("x")), []string{"broken 1002"}},
}

func TestDecoder_Framing(t *testing.T) {
	for _, tt := range framingCases {
		t.Run(tt.name, func(t *testing.T) {
			check := func(cuts ...int) {
				t.Helper()
				if _, got := decode(t, tt.input, testLimit, cuts...); fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Fatalf("cut at %v: got %.200q, want %.200q", cuts, got, tt.want)
				}
			}
			check()
			most := 40
			if len(tt.input) > 1000 {
				most = maxHeader + 2
			}
			for i := 1; i < min(len(tt.input), most); i++ {
				check(i)
				check(len(tt.input) - i)
			}
			if len(tt.input) < 300 {
				var every []int
				for i := 1; i < len(tt.input); i++ {
					every = append(every, i)
				}
				check(every...)
			}
		})
	}
}

func TestDecoder_TakesTheLargestMessage(t *testing.T) {
	whole := text(strings.Repeat("x", testLimit))
	for _, cuts := range [][]int{nil, {1}, {14}, {1000, 70000}} {
		if _, got := decode(t, whole, testLimit, cuts...); len(got) != 1 || len(got[0]) != testLimit+7 {
			t.Errorf("cut at %v: %d events", cuts, len(got))
		}
	}
	half := make([]byte, testLimit/2)
	if _, got := decode(t, join(masked(0x01, half), masked(0x89, make([]byte, 125)), masked(0x80, half)), testLimit, 100, 70000); len(got) != 2 {
		t.Errorf("in fragments: %.100q", got)
	}
}

func TestDecoder_RefusesTooManyFragments(t *testing.T) {
	input := masked(0x01, nil)
	for range maxFragments {
		input = append(input, masked(0x00, nil)...)
	}
	if _, got := decode(t, input, testLimit); fmt.Sprint(got) != "[broken 1009]" {
		t.Errorf("got %v", got)
	}
	input = masked(0x01, nil)
	for range maxFragments - 2 {
		input = append(input, masked(0x00, nil)...)
	}
	input = append(input, masked(0x80, []byte("x"))...)
	if _, got := decode(t, append(input, input...), testLimit); fmt.Sprint(got) != `[text "x" text "x"]` {
		t.Errorf("at the bound: got %v", got)
	}
}

func TestDecoder_HoldsOnlyWhatHasCome(t *testing.T) {
	announced := []byte{0x81, 0xff, 0, 0, 0, 0, 0, 2, 0, 0, 1, 2, 3, 4}
	d, _ := decode(t, announced, testLimit)
	if d.held() != nil {
		t.Errorf("holds %d bytes for a header", cap(d.held()))
	}
	d, _ = decode(t, append(announced, 'x'), testLimit)
	if cap(d.held()) != smallest {
		t.Errorf("holds %d bytes for one byte", cap(d.held()))
	}
}

// The broker looks at payloads until the turn ends, in which more may be decoded.
func TestDecoder_PayloadsStayAsTheyAre(t *testing.T) {
	input := join(masked(0x01, []byte("frag")), masked(0x8a, []byte("pong")), masked(0x00, []byte("ments")), masked(0x80, []byte("!")), text("next"), text("more"))
	for cut := 1; cut < len(input); cut++ {
		var d decoder
		var events []event
		for _, p := range [][]byte{bytes.Clone(input[:cut]), bytes.Clone(input[cut:])} {
			for {
				var ev event
				if p = d.next(&ev, p, testLimit, heap{}); ev.kind == eventNone {
					break
				}
				events = append(events, ev)
			}
		}
		var got []string
		for _, ev := range events {
			got = append(got, string(ev.payload))
		}
		if fmt.Sprint(got) != "[pong fragments! next more]" {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}

func TestDecoder_KnowsWhatIsUnderWay(t *testing.T) {
	var d decoder
	feed := func(p []byte) {
		d.all(bytes.Clone(p))
	}
	expect := func(what string, holding, progress bool) {
		t.Helper()
		if got := d.holding(); got != holding {
			t.Errorf("%s: holding %v", what, got)
		}
		if got := d.takeProgress(); got != progress {
			t.Errorf("%s: progress %v", what, got)
		}
	}
	expect("new", false, false)
	feed(text("x"))
	expect("a message", false, true)
	feed([]byte{0x81})
	expect("a byte of a header", true, false)
	feed(text("x")[1:])
	expect("its rest", false, true)
	feed(masked(0x01, []byte("x")))
	expect("a fragment", true, false)
	feed(masked(0x89, []byte("x")))
	expect("a ping in between", true, false)
	feed(append(masked(0x80, []byte("x")), 0x81))
	expect("the end, and the next one", true, true)
}

func TestDecoder_WholeFramesCostNoAllocation(t *testing.T) {
	frame := text(strings.Repeat("x", 200))
	input := make([]byte, len(frame))
	var d decoder
	if n := testing.AllocsPerRun(100, func() {
		copy(input, frame)
		var ev event
		rest := d.next(&ev, input, testLimit, heap{})
		if ev.kind != eventMessage || len(rest) != 0 {
			t.Fatal("no message")
		}
		d.next(&ev, rest, testLimit, heap{})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecoder(b *testing.B) {
	frame := text(strings.Repeat("x", 200))
	input := make([]byte, 0, 100*len(frame))
	arena := make([]byte, cap(input))
	for range 100 {
		input = append(input, frame...)
	}
	var d decoder
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		copy(arena, input)
		d.all(arena)
	}
}

// all decodes all of p, whatever is in it.
func (d *decoder) all(p []byte) {
	var ev event
	for p = d.next(&ev, p, testLimit, heap{}); ev.kind != eventNone; p = d.next(&ev, p, testLimit, heap{}) {
	}
}

// held returns the memory a decoder has.
func (d *decoder) held() []byte {
	if d.cut == nil {
		return nil
	}
	return d.cut.hold
}
