package embedded_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
)

// traffic makes envelopes of 200 bytes to random users.
type traffic struct {
	users []protocol.UserID
	next  []uint64 // seq per user
	rng   *rand.Rand
	id    bool
	batch []persistence.Pending
	errs  []error
}

func newTraffic(users, batch int, id bool) *traffic {
	f := &traffic{rng: rand.New(rand.NewPCG(1, 2)), next: make([]uint64, users), id: id}
	for i := range users {
		f.users = append(f.users, protocol.NewUserID([]byte(fmt.Sprint("user", i))))
	}
	f.batch, f.errs = make([]persistence.Pending, batch), make([]error, batch)
	for i := range f.batch {
		f.batch[i].Payload = make([]byte, 200)
		for j := range f.batch[i].Payload {
			f.batch[i].Payload[j] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[f.rng.IntN(64)]
		}
	}
	return f
}

// fill makes the next n envelopes.
func (f *traffic) fill(n int) ([]persistence.Pending, []error) {
	for i := range f.batch[:n] {
		u := f.rng.IntN(len(f.users))
		f.next[u]++
		p := &f.batch[i]
		p.To, p.From, p.Seq, p.Time = f.users[u], f.users[0], f.next[u], time.Now().UnixMilli()
		p.Expires = p.Time + 30*24*3600*1000
		binary.LittleEndian.PutUint64(p.Payload, f.rng.Uint64())
		if f.id {
			p.ID = fmt.Sprint("message-", f.next[u])
		}
	}
	return f.batch[:n], f.errs[:n]
}

// append appends n envelopes in batches.
func (f *traffic) append(b *testing.B, s *embedded.Store, n int) {
	b.Helper()
	for n > 0 {
		batch, errs := f.fill(min(n, len(f.batch)))
		if err := s.Append(context.Background(), batch, errs); err != nil {
			b.Fatal(err)
		}
		for _, err := range errs {
			if err != nil {
				b.Fatal(err)
			}
		}
		n -= len(batch)
	}
}

// meter starts to measure and returns what reports: envelopes per second, and the processor time of each with all that
// the engine does behind it, which other programs on the machine disturb less.
func meter(b *testing.B) func() {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	return func() {
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
		b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/envelope")
		b.ReportMetric(0, "ns/op")
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend appends 200-byte envelopes to random users; each batch is synced.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64, 1024} {
		for _, users := range []int{1_000, 100_000} {
			for _, id := range []bool{false, true} {
				b.Run(fmt.Sprintf("batch=%d/users=%d/id=%v", batch, users, id), func(b *testing.B) {
					s := open(b, b.TempDir(), embedded.Options{})
					b.Cleanup(func() { _ = s.Close() })
					f := newTraffic(users, batch, id)
					done := meter(b)
					f.append(b, s, b.N)
					done()
				})
			}
		}
	}
}

// BenchmarkConfirm confirms what was appended, in calls of up to 1,024 users.
func BenchmarkConfirm(b *testing.B) {
	for _, each := range []int{1, 16, 200} { // envelopes per user and confirm
		for _, id := range []bool{false, true} {
			b.Run(fmt.Sprintf("each=%d/id=%v", each, id), func(b *testing.B) {
				s := open(b, b.TempDir(), embedded.Options{})
				b.Cleanup(func() { _ = s.Close() })
				users := max(1, b.N/each)
				f := newTraffic(users, 1024, id)
				f.append(b, s, b.N)
				var calls [][]persistence.Confirmed
				for i := range f.users {
					if i%1024 == 0 {
						calls = append(calls, nil)
					}
					last := &calls[len(calls)-1]
					*last = append(*last, persistence.Confirmed{User: f.users[i], Seq: f.next[i]})
				}
				errs := make([]error, 1024)
				done := meter(b)
				for _, call := range calls {
					if err := s.Confirm(context.Background(), call, errs[:len(call)]); err != nil {
						b.Fatal(err)
					}
				}
				done()
			})
		}
	}
}

// BenchmarkChurn appends and confirms in turn, as a store does whose users come and go: the envelopes per second are
// both appended and deleted.
func BenchmarkChurn(b *testing.B) {
	for _, id := range []bool{false, true} {
		b.Run(fmt.Sprintf("id=%v", id), func(b *testing.B) {
			s := open(b, b.TempDir(), embedded.Options{})
			b.Cleanup(func() { _ = s.Close() })
			f := newTraffic(10_000, 1024, id)
			errs := make([]error, 1024)
			done := meter(b)
			for n := 0; n < b.N; n += 1024 {
				f.append(b, s, 1024)
				seen := make(map[protocol.UserID]uint64)
				for i := range f.batch {
					seen[f.batch[i].To] = f.batch[i].Seq
				}
				var call []persistence.Confirmed
				for user, seq := range seen {
					call = append(call, persistence.Confirmed{User: user, Seq: seq})
				}
				if err := s.Confirm(context.Background(), call, errs[:len(call)]); err != nil {
					b.Fatal(err)
				}
			}
			done()
		})
	}
}

// BenchmarkRead reads pages of up to 64 envelopes of random users, from memory and from tables.
func BenchmarkRead(b *testing.B) {
	for _, each := range []int{0, 1, 64} {
		for _, cold := range []bool{false, true} {
			b.Run(fmt.Sprintf("page=%d/cold=%v", each, cold), func(b *testing.B) {
				s := open(b, b.TempDir(), embedded.Options{})
				b.Cleanup(func() { _ = s.Close() })
				const total = 100_000
				f := newTraffic(total/max(each, 1), 1024, false)
				f.append(b, s, total)
				if cold {
					if err := s.Flush(false); err != nil {
						b.Fatal(err)
					}
					s.Forget()
				}
				users := f.users
				if each == 0 { // users who have nothing
					users = nil
					for i := range total {
						users = append(users, protocol.NewUserID([]byte(fmt.Sprint("nobody", i))))
					}
				}
				pages := make([]persistence.Page, 1)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					r := persistence.ReadRequest{User: users[f.rng.IntN(len(users))], Count: 64, Bytes: 1 << 20}
					if err := s.Read(context.Background(), []persistence.ReadRequest{r}, pages); err != nil || pages[0].Err != nil {
						b.Fatal(err, pages[0].Err)
					}
				}
			})
		}
	}
}
