package embedded_test

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

var _ actors.Store = (*embedded.Store)(nil)

func open(t testing.TB, dir string, opts embedded.Options) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		dir := t.TempDir()
		var free atomic.Int64
		free.Store(math.MaxInt64)
		opts := embedded.Options{Quota: quota}.WithFree(func() (int64, error) { return free.Load(), nil })
		return &storetest.Instance{
			Store:  open(t, dir, opts),
			Reopen: func(t *testing.T) actors.Store { return open(t, dir, opts) },
			Fill:   func(*testing.T) { free.Store(100 << 20) },
			Free:   func(*testing.T) { free.Store(128 << 20) },
		}
	})
}
