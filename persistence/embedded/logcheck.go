package embedded

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/enigma-protocol/enigma/persistence"
)

// checkLogs looks for damage in the engine's logs that the engine would take for their end.
//
// A log ends, after a crash, with a chunk that was not written to the end. The engine takes any chunk that is not right
// for that one, drops it and all behind it, and looks for proof of the contrary only from the next block of 32 KiB on: a
// flipped bit would cost everything acknowledged since. The proof is that every chunk says up to where the log had been
// synced when it was written; so one that is right, behind one that is not and promises that one, shows damage. This
// looks for it from the next byte on. What is wrong with the last chunk cannot be told from a torn write.
//
// The format is described in Pebble's package record.
func checkLogs(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return fmt.Errorf("list logs: %w", err)
	}
	for _, path := range paths {
		number, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), ".log"), 10, 32)
		if err != nil {
			continue // not the engine's
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		end := logEnd(data, uint32(number))
		if at := promise(data, uint32(number), end); at >= 0 {
			return fmt.Errorf("%w: %s is damaged at byte %d: what stands at byte %d was written after that had been synced",
				persistence.ErrCorrupt, path, end, at)
		}
	}
	return nil
}

// A chunk: checksum (4), length (2), kind (1), log number (4), synced offset (8), and so many bytes. The checksum covers
// all from the kind on. No chunk crosses a block; what is too short for a header at the end of one is zero.
const (
	logBlock    = 32 << 10
	chunkHeader = 19
	chunkFirst  = 9 // kinds of a chunk with a synced offset: whole record, first, middle and last part
	chunkLast   = 12
)

// chunk returns the end of the chunk at an offset and the synced offset it holds, if it is right and of this log.
func chunk(data []byte, number uint32, at int) (end int, synced uint64, ok bool) {
	block := min((at/logBlock+1)*logBlock, len(data))
	if at < 0 || at+chunkHeader > block {
		return 0, 0, false
	}
	head := data[at : at+chunkHeader]
	end = at + chunkHeader + int(binary.LittleEndian.Uint16(head[4:]))
	if head[6] < chunkFirst || head[6] > chunkLast || binary.LittleEndian.Uint32(head[7:]) != number || end > block {
		return 0, 0, false
	}
	sum := crc32.Checksum(data[at+6:end], crc32.MakeTable(crc32.Castagnoli))
	if binary.LittleEndian.Uint32(head) != (sum>>15|sum<<17)+0xa282ead8 { // masked, as LevelDB does
		return 0, 0, false
	}
	return end, binary.LittleEndian.Uint64(head[11:]), true
}

// logEnd returns the offset of the first chunk that is not right.
func logEnd(data []byte, number uint32) int {
	at := 0
	for {
		if left := logBlock - at%logBlock; left < chunkHeader {
			at += left
		}
		end, _, ok := chunk(data, number, at)
		if !ok {
			return at
		}
		at = end
	}
}

// promise returns the offset of a chunk behind end that says that end had been synced, or -1.
func promise(data []byte, number uint32, end int) int {
	pattern := binary.LittleEndian.AppendUint32(nil, number)
	for at := end + 1; at < len(data); at++ {
		i := bytes.Index(data[at:], pattern)
		if i < 0 {
			return -1
		}
		at += i
		if _, synced, ok := chunk(data, number, at-7); ok && synced > uint64(end) {
			return at - 7
		}
	}
	return -1
}
