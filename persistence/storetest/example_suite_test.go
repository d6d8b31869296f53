package storetest_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// TestFiles runs the suite on the store of the Example: all that a host writes to know that its own is right.
func TestFiles(t *testing.T) {
	storetest.Run(t, func(t *testing.T, quota persistence.Quota) *storetest.Instance {
		open := func(dir string) actors.Store { return &files{dir: dir, quota: quota} }
		dir := t.TempDir()
		return &storetest.Instance{Store: open(dir), Reopen: func(*testing.T) actors.Store { return open(dir) }}
	})
}
