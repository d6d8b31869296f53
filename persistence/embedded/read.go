package embedded

import (
	"context"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/enigma-protocol/enigma/persistence"
)

// Read fills one page per request. It waits for nobody.
func (s *Store) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	if err := s.admit(ctx, "read"); err != nil {
		return err
	}
	var iter *pebble.Iterator
	for i := range requests {
		r := &requests[i]
		pages[i] = persistence.Page{}
		floor := r.After
		if st, ok := s.boxes.peek(r.User); ok {
			if st.count == 0 || st.highest <= r.After {
				continue
			}
			floor = max(floor, st.floor) // below lie the tombstones of what was confirmed
		}
		if floor == math.MaxUint64 {
			continue
		}
		if iter == nil {
			var err error
			if iter, err = s.db.NewIter(&pebble.IterOptions{UseL6Filters: true}); err != nil {
				return fmt.Errorf("read: %w", s.readError(err))
			}
			defer iter.Close()
		}
		if err := readPage(iter, r, floor, &pages[i]); err != nil {
			pages[i] = persistence.Page{Err: fmt.Errorf("read: %w", s.readError(err))}
		}
	}
	return nil
}

// readPage reads what lies above floor.
func readPage(iter *pebble.Iterator, r *persistence.ReadRequest, floor uint64, page *persistence.Page) error {
	var buf [mailLen]byte
	var copies arena
	total := 0
	for ok := iter.SeekPrefixGE(appendMailKey(buf[:0], r.User, floor+1)); ok; ok = iter.Next() {
		if n := len(page.Pending); n > 0 && (n >= r.Count || total >= r.Bytes) {
			page.More = true // what is behind may have expired
			break
		}
		seq, e, err := mailAt(iter)
		if err != nil {
			return err
		}
		if e.expires <= r.Now {
			continue
		}
		total += len(e.payload)
		page.Pending = append(page.Pending, persistence.Pending{
			To: r.User, From: e.from, Seq: seq, Time: e.time, Expires: e.expires,
			ID: string(e.id), Payload: copies.copy(e.payload),
		})
	}
	return iter.Error()
}

// arena makes few allocations of many small copies. A chunk lives as long as any copy in it.
type arena struct {
	free []byte
	next int // size of the next chunk
}

const (
	arenaFirst = 512
	arenaMax   = 16 << 10
)

func (a *arena) copy(b []byte) []byte {
	if len(b) > len(a.free) {
		if len(b) > arenaMax/4 { // what is large gets an allocation of its own
			return append([]byte(nil), b...)
		}
		a.next = min(max(arenaFirst, 2*a.next, 2*len(b)), arenaMax)
		a.free = make([]byte, a.next)
	}
	dst := a.free[:len(b):len(b)]
	a.free = a.free[len(b):]
	copy(dst, b)
	return dst
}
