package admin

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
)

// Stats is a moment's view of the server's counters: all that the metrics are made of.
type Stats struct {
	Broker actors.Stats
	Front  transport.Stats
}

// Kind is the type of a metric, in the words of Prometheus.
type Kind string

// The types there are.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one line of the table of metrics.
type Metric struct {
	Name  string // with its prefix enigma_
	Kind  Kind
	Label string // the one label that it has, empty for none
	Help  string

	read func(s *Stats, to *sink) // gives the values, one for each value of the label
}

// value reads one number.
func value[T int | int64 | uint64 | float64](of func(*Stats) T) func(*Stats, *sink) {
	return func(s *Stats, to *sink) { to.number("", float64(of(s))) }
}

// latency reads a histogram of times.
func latency(of func(*Stats) *actors.Histogram) func(*Stats, *sink) {
	return func(s *Stats, to *sink) { to.times("", of(s)) }
}

// Table is the list of all metrics that are the server's own, in the order in which they are shown. Beside them there
// are those of the Go runtime and of the process, as the Prometheus library names them.
var Table = []Metric{
	{"enigma_users", Gauge, "", "Users with an actor: connected, or lately so, or with mail on its way.",
		value(func(s *Stats) uint64 { return s.Broker.Actors })},
	{"enigma_logins_total", Counter, "", "Logins, those of users known before included.",
		value(func(s *Stats) uint64 { return s.Broker.Logins })},

	{"enigma_connections", Gauge, "", "Connections attached to their user.",
		value(func(s *Stats) uint64 { return s.Broker.Attached - s.Broker.Detached })},
	{"enigma_connections_open", Gauge, "", "WebSocket connections, those that are not attached yet or are being closed included.",
		value(func(s *Stats) int { return s.Front.Conns })},
	{"enigma_connections_stalled", Gauge, "", "Connections that are not read now, because their credit or the memory is used up.",
		value(func(s *Stats) int { return s.Broker.Stalled })},
	{"enigma_connections_attached_total", Counter, "", "Connections that were attached to their user.",
		value(func(s *Stats) uint64 { return s.Broker.Attached })},
	{"enigma_connections_replaced_total", Counter, "", "Connections closed because their user connected anew.",
		value(func(s *Stats) uint64 { return s.Broker.Refused[protocol.CodeReplaced.String()] })},
	{"enigma_connections_timed_out_total", Counter, "", "Connections dropped for their silence.",
		value(func(s *Stats) uint64 { return s.Broker.TimedOut })},
	{"enigma_connection_stalls_total", Counter, "reason", "Times that a connection was stopped: credit, because too much of its own was under way; memory, because of --memory.",
		func(s *Stats, to *sink) {
			to.number("credit", float64(s.Broker.CreditStalls))
			to.number("memory", float64(s.Broker.MemoryStalls))
		}},
	{"enigma_connection_writes_total", Counter, "", "Writes to connections; each carries what came for a user in one turn.",
		value(func(s *Stats) uint64 { return s.Broker.Writes })},

	{"enigma_messages_submitted_total", Counter, "", "Messages that connections sent and that were well formed.",
		value(func(s *Stats) uint64 { return s.Broker.Submitted })},
	{"enigma_messages_delivered_total", Counter, "", "Messages written to their recipient's connection, repetitions included.",
		value(func(s *Stats) uint64 { return s.Broker.Delivered })},
	{"enigma_messages_confirmed_total", Counter, "", "Messages that the recipient's client has confirmed.",
		value(func(s *Stats) uint64 { return s.Broker.Confirmed })},
	{"enigma_messages_acked_total", Counter, "", "Acknowledgements to senders on enigma.v1.",
		value(func(s *Stats) uint64 { return s.Broker.Acked })},
	{"enigma_messages_parked_total", Counter, "", "Messages that went to the store because their recipient could not take them.",
		value(func(s *Stats) uint64 { return s.Broker.Parked })},
	{"enigma_messages_spilled_total", Counter, "", "Messages that went to the store after they had been accepted for a connected recipient, and not been confirmed.",
		value(func(s *Stats) uint64 { return s.Broker.Spilled })},
	{"enigma_messages_drained_total", Counter, "", "Messages read from the store for their recipient.",
		value(func(s *Stats) uint64 { return s.Broker.Drained })},
	{"enigma_messages_dropped_total", Counter, "reason", "Accepted messages that will not arrive: expired, their time was over; lost, by a fault of the server.",
		func(s *Stats, to *sink) {
			to.number("expired", float64(s.Broker.Expired))
			to.number("lost", float64(s.Broker.Lost))
		}},
	{"enigma_messages_pending", Gauge, "", "Messages in memory for a connected recipient who has not confirmed them.",
		value(func(s *Stats) int64 { return s.Broker.Pending })},
	{"enigma_delivery_write_seconds", Histogram, "", "Time from a message's place in its recipient's order to the write, for mail that was not stored.",
		latency(func(s *Stats) *actors.Histogram { return &s.Broker.WriteTime })},
	{"enigma_delivery_confirm_seconds", Histogram, "", "Time from there to its confirm by the recipient's client.",
		latency(func(s *Stats) *actors.Histogram { return &s.Broker.ConfirmTime })},

	{"enigma_errors_total", Counter, "code", "Errors sent to connections, by their code.", readErrors},
	{"enigma_http_requests_total", Counter, "status", "Answers to HTTP requests, by status; 101 is an upgrade.",
		func(s *Stats, to *sink) {
			for status, n := range s.Front.Answers {
				to.number(strconv.Itoa(status), float64(n))
			}
		}},
	{"enigma_http_connections", Gauge, "", "Connections that speak HTTP.",
		value(func(s *Stats) int { return s.Front.HTTPConns })},
	{"enigma_accept_pauses_total", Counter, "", "Times that no connection could be accepted for want of open files or memory.",
		value(func(s *Stats) uint64 { return s.Front.AcceptPauses })},
	{"enigma_proof_challenges_total", Counter, "", "Connections that were asked to prove possession of their key.",
		value(func(s *Stats) uint64 { return s.Front.Challenges })},
	{"enigma_proofs_total", Counter, "outcome", "What became of challenges: proven; declined; failed, a wrong proof or none in time; abandoned, the connection ended.",
		func(s *Stats, to *sink) {
			to.number("proven", float64(s.Front.Proven))
			to.number("declined", float64(s.Front.Declined))
			to.number("failed", float64(s.Front.Failed))
			to.number("abandoned", float64(s.Front.Abandoned))
		}},

	{"enigma_store_up", Gauge, "", "1 while the store answers.", value(func(s *Stats) int { return oneUnless(s.Broker.StoreDown) })},
	{"enigma_store_errors_total", Counter, "", "Requests that the store failed or left open.",
		value(func(s *Stats) uint64 { return s.Broker.StoreErrors })},
	{"enigma_store_queue_size", Gauge, "", "Requests that wait for the store.",
		value(func(s *Stats) int { return s.Broker.StoreQueue })},
	{"enigma_store_appended_total", Counter, "", "Messages in append calls of the store, repetitions included.",
		value(func(s *Stats) uint64 { return s.Broker.Appended })},
	{"enigma_store_batch_size", Histogram, "operation", "Keys, messages or pages per call of the store: put_keys, lock, keys, append, confirm, read, expire.",
		readCalls(func(to *sink, name string, c *actors.StoreCalls) { to.sizes(name, &c.Size) })},
	{"enigma_store_call_seconds", Histogram, "operation", "Time of a call of the store.",
		readCalls(func(to *sink, name string, c *actors.StoreCalls) { to.times(name, &c.Time) })},

	{"enigma_buffered_bytes", Gauge, "", "Memory held by messages on their way.",
		value(func(s *Stats) int64 { return s.Broker.Buffered })},
	{"enigma_buffered_limit_bytes", Gauge, "", "What --memory bounds that by.",
		value(func(s *Stats) int64 { return s.Broker.Budget })},
	{"enigma_shard_busy_seconds_total", Counter, "shard", "Time that an event loop spent in turns; one second per second is all it has.",
		func(s *Stats, to *sink) {
			for i, shard := range s.Broker.Shards {
				to.number(strconv.Itoa(i), shard.Busy.Seconds())
			}
		}},
	{"enigma_shard_turns_total", Counter, "shard", "Turns of an event loop.",
		func(s *Stats, to *sink) {
			for i, shard := range s.Broker.Shards {
				to.number(strconv.Itoa(i), float64(shard.Turns))
			}
		}},
	{"enigma_shard_longest_turn_seconds", Gauge, "", "The longest turn of any event loop in the last 15 to 30 seconds.",
		value(func(s *Stats) float64 { return s.Broker.LongestTurn.Seconds() })},
	{"enigma_actor_panics_total", Counter, "", "Panics that were contained: of actors and connections, of the store, of subscribers to events.",
		value(func(s *Stats) uint64 { return s.Broker.Panics })},
	{"enigma_events_dropped_total", Counter, "", "Events that no subscriber was told of, because it was too slow; for programs that embed the broker.",
		value(func(s *Stats) uint64 { return s.Broker.EventsDropped })},
	{"enigma_actor_unknown_messages_total", Counter, "", "Messages to user actors that none of this program's parts sends.",
		value(func(s *Stats) uint64 { return s.Broker.NilMessages + s.Broker.UnknownMessages })},
	{"enigma_build_info", Gauge, "version", "1; the label says what is running.", func(_ *Stats, to *sink) { to.number(to.version, 1) }},
}

// readErrors shows every code, those that have not occurred with 0, so that a rate sees the first.
func readErrors(s *Stats, to *sink) {
	for code := protocol.CodeNone + 1; code <= protocol.CodeInternal; code++ {
		to.number(code.String(), float64(s.Broker.Refused[code.String()]))
	}
}

func readCalls(show func(*sink, string, *actors.StoreCalls)) func(*Stats, *sink) {
	return func(s *Stats, to *sink) {
		for name, calls := range s.Broker.StoreCalls {
			show(to, name, &calls)
		}
	}
}

func oneUnless(is bool) int {
	if is {
		return 0
	}
	return 1
}

// WriteTable writes the table as a terminal shows it.
func WriteTable(w io.Writer) {
	for _, m := range Table {
		name := m.Name
		if m.Label != "" {
			name += "{" + m.Label + "}"
		}
		fmt.Fprintf(w, "  %s  (%s)\n      %s\n", name, m.Kind, strings.ReplaceAll(m.Help, "\n", " "))
	}
}
