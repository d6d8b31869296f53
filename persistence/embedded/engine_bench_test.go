package embedded

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// BenchmarkEngine is the floor for BenchmarkAppend: the engine under the same options writes records of the same size
// under the same keys, one each, and nothing is decided. It is to be compared with BenchmarkAppend in one run.
func BenchmarkEngine(b *testing.B) {
	for _, users := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("batch=1024/users=%d", users), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			p := persistence.Pending{Payload: make([]byte, 200)}
			value := mailValue(p)
			ids := make([]protocol.UserID, users)
			for i := range ids {
				ids[i] = user(fmt.Sprint("user", i))
			}
			b.ResetTimer()
			for n := 0; n < b.N; {
				batch := s.db.NewBatch()
				for range min(1024, b.N-n) {
					n++
					op := batch.SetDeferred(mailLen, len(value))
					appendMailKey(op.Key[:0], ids[n*7919%users], uint64(n))
					copy(op.Value, value)
					_ = op.Finish()
				}
				if err := batch.Commit(pebble.Sync); err != nil {
					b.Fatal(err)
				}
				_ = batch.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
		})
	}
}
