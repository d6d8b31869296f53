package top

import (
	"fmt"
	"math"
	"strings"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
)

// span is what lies between two readings.
type span struct {
	before, now *admin.Reading
	seconds     float64
}

// newSpan is the time between two readings, at least a millisecond. After a restart of the server it counts from that.
func newSpan(before, now *admin.Reading) span {
	const start = "process_start_time_seconds"
	if before.Values[start] != now.Values[start] {
		before = &admin.Reading{Time: math.Max(before.Time, now.Values[start])}
	}
	return span{before, now, math.Max(now.Time-before.Time, 1e-3)}
}

func (s span) value(name string) float64 { return s.now.Values[name] }

// rate is how much a counter rose in a second, all its labels together.
func (s span) rate(name string) float64 {
	return math.Max(0, total(s.now, name)-total(s.before, name)) / s.seconds
}

func (s span) quantile(name string, q float64) float64 {
	return s.now.Timings[name].Since(s.before.Timings[name]).Quantile(q)
}

// total sums a metric over its labels.
func total(r *admin.Reading, name string) (sum float64) {
	for key, value := range r.Values {
		if base, _, _ := strings.Cut(key, "{"); base == name {
			sum += value
		}
	}
	return sum
}

// busy is the part of their time that event loops spent in turns.
func (s span) busy() float64 {
	const name = "enigma_shard_busy_seconds_total"
	shards := 0
	for key := range s.now.Values {
		if strings.HasPrefix(key, name+"{") {
			shards++
		}
	}
	return s.rate(name) / float64(max(shards, 1))
}

// row is a line of the table.
type row struct {
	name string
	of   func(span) float64 // NaN for nothing to tell
	text func(float64) string
}

// rows are what is worth a look, in the order of a message's way.
var rows = []row{
	{"connections", func(s span) float64 { return s.value("enigma_connections") }, count},
	{"users in memory", func(s span) float64 { return s.value("enigma_users") }, count},
	{"messages in", func(s span) float64 { return s.rate("enigma_messages_submitted_total") }, perSecond},
	{"delivered", func(s span) float64 { return s.rate("enigma_messages_delivered_total") }, perSecond},
	{"parked", func(s span) float64 { return s.rate("enigma_messages_parked_total") }, perSecond},
	{"delivery, median", func(s span) float64 { return s.quantile("enigma_delivery_write_seconds", 0.5) }, seconds},
	{"delivery, 99 %", func(s span) float64 { return s.quantile("enigma_delivery_write_seconds", 0.99) }, seconds},
	{"confirm, 99 %", func(s span) float64 { return s.quantile("enigma_delivery_confirm_seconds", 0.99) }, seconds},
	{"unconfirmed", func(s span) float64 { return s.value("enigma_messages_pending") }, count},
	{"append, 99 %", func(s span) float64 { return s.quantile("enigma_store_call_seconds{append}", 0.99) }, seconds},
	{"store queue", func(s span) float64 { return s.value("enigma_store_queue_size") }, count},
	{"errors sent", func(s span) float64 { return s.rate("enigma_errors_total") }, perSecond},
	{"event loops busy", span.busy, percent},
	{"memory", func(s span) float64 { return s.value("process_resident_memory_bytes") }, bytes},
	{"of it messages", func(s span) float64 { return s.value("enigma_buffered_bytes") }, bytes},
}

// nothing stands for a number that there is not.
const nothing = "–"

// count writes a whole number in groups of three digits.
func count(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func perSecond(v float64) string {
	if v > 0 && v < 10 {
		return fmt.Sprintf("%.1f/s", v)
	}
	return count(v) + "/s"
}

func seconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return nothing
	case v < 1e-3:
		return fmt.Sprintf("%.0f µs", v*1e6)
	case v < 1:
		return fmt.Sprintf("%.3g ms", v*1e3)
	}
	return fmt.Sprintf("%.3g s", v)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", v*100) }

func bytes(v float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if v < 1024 {
			return fmt.Sprintf("%.4g %s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.4g GiB", v)
}

// curve draws values as a line of blocks, the latest last, between zero and the largest; gaps are NaN.
func curve(values []float64, width int) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	values = values[max(0, len(values)-width):]
	top := 0.0
	for _, v := range values {
		if v > top { // false for NaN
			top = v
		}
	}
	var out strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			out.WriteByte(' ')
		case top == 0:
			out.WriteRune(blocks[0])
		default:
			out.WriteRune(blocks[int(math.Round(v/top*float64(len(blocks)-1)))])
		}
	}
	return out.String()
}
