package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
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

// appendChunk appends a chunk as the engine writes it.
func appendChunk(log []byte, number uint32, synced uint64, payload string) []byte {
	at := len(log)
	log = append(log, 0, 0, 0, 0, byte(len(payload)), byte(len(payload)>>8), chunkFirst)
	log = binary.LittleEndian.AppendUint32(log, number)
	log = append(binary.LittleEndian.AppendUint64(log, synced), payload...)
	sum := crc32.Checksum(log[at+6:], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(log[at:], (sum>>15|sum<<17)+0xa282ead8)
	return log
}

// TestCheckLogs_BelievesPromisesOnly: what was not synced may reach the disk in any order before a crash, so a chunk
// behind a hole is no proof of damage, unless it says that the hole had been synced. Nor is one of an earlier use of the
// file.
func TestCheckLogs_BelievesPromisesOnly(t *testing.T) {
	const number = 7
	for name, c := range map[string]struct {
		number  uint32
		synced  func(hole uint64) uint64
		damaged bool
	}{
		"nothing synced":       {number, func(uint64) uint64 { return 0 }, false},
		"synced to the hole":   {number, func(hole uint64) uint64 { return hole }, false},
		"synced into the hole": {number, func(hole uint64) uint64 { return hole + 1 }, true},
		"of an earlier log":    {number - 1, func(hole uint64) uint64 { return hole + 1 }, false},
	} {
		log := appendChunk(nil, number, 0, "first")
		hole := len(log)
		log = append(log, make([]byte, 50)...)
		behind := len(log)
		log = appendChunk(log, c.number, c.synced(uint64(hole)), "behind")
		if end := logEnd(log, number); end != hole {
			t.Fatalf("%s: the log ends at %d, want %d", name, end, hole)
		}
		want := -1
		if c.damaged {
			want = behind
		}
		if at := promise(log, number, hole); at != want {
			t.Errorf("%s: promise at %d, want %d", name, at, want)
		}
	}
}

// FuzzCheckLogs reads logs of any bytes, with a chunk of any content behind them whose checksum is right.
func FuzzCheckLogs(f *testing.F) {
	f.Add([]byte{}, uint32(1), uint64(0), "")
	f.Add(make([]byte, 50), uint32(7), uint64(1), "behind a hole")
	f.Add(appendChunk(nil, 7, 0, "first"), uint32(7), uint64(24), "second")
	f.Add(make([]byte, logBlock+40), uint32(0), uint64(1<<63), "in another block")
	f.Fuzz(func(t *testing.T, data []byte, number uint32, synced uint64, payload string) {
		data = appendChunk(data, number, synced, payload)
		end := logEnd(data, number)
		if end < 0 || end > len(data)+chunkHeader {
			t.Fatalf("end %d of %d bytes", end, len(data))
		}
		if at := promise(data, number, end); at >= 0 && at <= end {
			t.Fatalf("a chunk at %d speaks for %d", at, end)
		}
	})
}
