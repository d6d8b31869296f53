package redis_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// benchUsers is how many mailboxes a benchmark's envelopes are spread over.
const benchUsers = 10_000

// bencher makes batches of envelopes of 200 B, one per user in turn.
type bencher struct {
	*redis.Store
	batch []persistence.Pending
	errs  []error
	seq   uint64
}

func newBencher(b *testing.B, url string, size int) *bencher {
	return &bencher{
		Store: start(b, url, redis.Options{}).Store,
		batch: make([]persistence.Pending, size), errs: make([]error, size),
	}
}

func (s *bencher) append(b *testing.B, per int, id bool) {
	payload := make([]byte, 200)
	for i := range s.batch {
		p := persistence.Pending{From: user("sender"), Seq: s.seq + 1, Time: now, Expires: later, Payload: payload}
		n := int(s.seq) / per % benchUsers
		p.To[0], p.To[1] = byte(n), byte(n>>8)
		if id {
			p.ID = fmt.Sprint(s.seq)
		}
		s.batch[i] = p
		s.seq++
	}
	if err := s.Append(context.Background(), s.batch, s.errs); err != nil {
		b.Fatal(err)
	}
	for _, err := range s.errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}

func perSecond(b *testing.B, n int, since time.Time) {
	b.ReportMetric(float64(n)/time.Since(since).Seconds(), "envelopes/s")
}

// BenchmarkAppend is the store's main work: parking, with the append-only file synced before every reply.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		size, per int
		id        bool
	}{{1, 1, false}, {64, 1, false}, {1024, 1, false}, {1024, 1, true}, {1024, 16, false}} {
		b.Run(fmt.Sprintf("batch=%d,per-user=%d,id=%v", c.size, c.per, c.id), func(b *testing.B) {
			s := newBencher(b, redistest.Start(b).URL(), c.size)
			b.ReportAllocs()
			begin, n := time.Now(), 0
			for b.Loop() {
				s.append(b, c.per, c.id)
				n += c.size
			}
			perSecond(b, n, begin)
		})
	}
}

// BenchmarkAppendTransaction is what a batch gains from being one transaction: a server that forbids MULTI gets the same
// calls as a plain pipeline.
func BenchmarkAppendTransaction(b *testing.B) {
	for name, args := range map[string][]string{"yes": nil, "no": {"--rename-command", "MULTI", ""}} {
		b.Run(name, func(b *testing.B) {
			s := newBencher(b, redistest.Start(b, args...).URL(), 1024)
			begin, n := time.Now(), 0
			for b.Loop() {
				s.append(b, 1, false)
				n += len(s.batch)
			}
			perSecond(b, n, begin)
		})
	}
}

func BenchmarkAppendCluster(b *testing.B) {
	s := newBencher(b, redistest.StartCluster(b, 3).URL(), 1024)
	begin, n := time.Now(), 0
	for b.Loop() {
		s.append(b, 1, false)
		n += len(s.batch)
	}
	perSecond(b, n, begin)
}

// BenchmarkDrain reads pages of 256 and confirms each, 16 users at a time, as draining does.
func BenchmarkDrain(b *testing.B) {
	for _, each := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("pending=%d", each), func(b *testing.B) {
			s := newBencher(b, redistest.Start(b, "--appendfsync", "always").URL(), 1024)
			users := 1024 / each
			requests, pages := make([]persistence.ReadRequest, users), make([]persistence.Page, users)
			confirmed := make([]persistence.Confirmed, users)
			var spent time.Duration
			total := 0
			for b.Loop() {
				b.StopTimer()
				s.append(b, each, false)
				for i := range users {
					to := s.batch[i*each].To
					requests[i] = persistence.ReadRequest{User: to, Count: 256, Bytes: 1 << 20, Now: now}
					confirmed[i] = persistence.Confirmed{User: to, Seq: s.batch[i*each+each-1].Seq}
				}
				b.StartTimer()
				begin := time.Now()
				if err := s.Read(context.Background(), requests, pages); err != nil {
					b.Fatal(err)
				}
				for i := range pages {
					total += len(pages[i].Pending)
				}
				if err := s.Confirm(context.Background(), confirmed, s.errs[:users]); err != nil {
					b.Fatal(err)
				}
				spent += time.Since(begin)
			}
			b.ReportMetric(float64(total)/spent.Seconds(), "envelopes/s")
		})
	}
}

// BenchmarkReadPage reads a page at the head, in the middle and at the end of 100,000 pending envelopes, with seqs
// without gaps and with a gap behind each, where the place must be searched.
func BenchmarkReadPage(b *testing.B) {
	const pending = 100_000
	for _, gap := range []uint64{1, 3} {
		s := newBencher(b, redistest.Start(b, unsynced...).URL(), 1000)
		for i := range uint64(pending) {
			at := i % 1000
			// The gaps grow, so that no place can be computed.
			seq := i + 1
			if gap > 1 {
				seq = (i + 1) * (i + 2) / 2
			}
			s.batch[at] = persistence.Pending{To: user("bob"), Seq: seq, Time: now, Expires: later, Payload: make([]byte, 200)}
			if at == 999 {
				if err := s.Append(context.Background(), s.batch, s.errs); err != nil {
					b.Fatal(err)
				}
			}
		}
		for _, place := range []uint64{0, pending / 2, pending - 300} {
			after := place
			if gap > 1 {
				after = place * (place + 1) / 2
			}
			b.Run(fmt.Sprintf("gaps=%v,after=%d", gap > 1, place), func(b *testing.B) {
				pages := make([]persistence.Page, 1)
				r := []persistence.ReadRequest{{User: user("bob"), After: after, Count: 256, Bytes: 1 << 20, Now: now}}
				for b.Loop() {
					if err := s.Read(context.Background(), r, pages); err != nil || len(pages[0].Pending) != 256 {
						b.Fatal(err, len(pages[0].Pending))
					}
				}
			})
		}
	}
}
