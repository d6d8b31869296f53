package embedded

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/enigma-protocol/enigma/persistence"
)

// TestCheckLogs_UnderstandsTheEnginesLogs holds that the format is the one checkLogs knows: it must follow a log over
// many blocks to its end. If it does not, after a change of the engine's version, it would find nothing any more.
func TestCheckLogs_UnderstandsTheEnginesLogs(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for seq := range uint64(100) {
		p := persistence.Pending{To: user("a"), Seq: seq + 1, Expires: 1, Payload: bytes.Repeat([]byte{'x'}, int(seq)*100)}
		if err := s.Append(context.Background(), []persistence.Pending{p}, make([]error, 1)); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	slices.Sort(paths)
	data, err := os.ReadFile(paths[len(paths)-1])
	if err != nil {
		t.Fatal(err)
	}
	number := uint32(0)
	for _, c := range filepath.Base(paths[len(paths)-1])[:6] {
		number = number*10 + uint32(c-'0')
	}
	end := logEnd(data, number)
	if written := len(bytes.TrimRight(data, "\x00")); end < written || end < 10*logBlock {
		t.Fatalf("the log was followed to byte %d of %d", end, written)
	}
	if at := promise(data, number, end); at >= 0 {
		t.Fatalf("byte %d of a log that is whole says that more was synced", at)
	}
	if err := checkLogs(dir); err != nil {
		t.Fatal(err)
	}
}

func FuzzCheckLogs(f *testing.F) {
	f.Add([]byte{}, uint32(1))
	f.Add(make([]byte, logBlock+40), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, number uint32) {
		end := logEnd(data, number)
		if end < 0 || end > len(data)+chunkHeader {
			t.Fatalf("end %d of %d bytes", end, len(data))
		}
		if at := promise(data, number, end); at >= 0 && at <= end {
			t.Fatalf("a chunk at %d speaks for %d", at, end)
		}
	})
}
