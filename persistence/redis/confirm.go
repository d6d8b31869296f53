package redis

import (
	"context"

	"github.com/enigma-protocol/enigma/persistence"
)

// maxConfirm bounds what one call deletes, so that no mailbox holds the server up; more takes further calls.
const maxConfirm = 2048

// Confirm deletes each user's envelopes up to a seq. It works when memory is exhausted.
func (s *Store) Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error {
	ctx, cancel, err := s.begin(ctx, "redis confirm")
	if err != nil {
		return err
	}
	defer cancel()
	open := make([]int, len(confirmed)) // those of which there may be more to delete
	for i := range confirmed {
		open[i] = i
	}
	for len(open) > 0 {
		calls := make([]call, len(open))
		for k, i := range open {
			c := confirmed[i]
			calls[k] = call{op: opConfirm, keys: s.keys(c.User), args: []string{decimalSeq(c.Seq), decimal(maxConfirm)}}
		}
		results := s.exec(ctx, calls, true)
		s.again(ctx, calls, results, func(c call) call { return c })
		again := open[:0]
		for k, i := range open {
			more, err := results[k].ToInt64()
			errs[i] = nil
			if err != nil {
				errs[i] = failure("redis confirm", true, err)
			} else if more == 1 {
				again = append(again, i)
			}
		}
		open = again
	}
	return nil
}
