package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/persistence"
)

// Read fills one page per request. A page ends before a record that is corrupt; a page that would begin with one fails
// with persistence.ErrCorrupt.
func (s *Store) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	ctx, cancel, err := s.begin(ctx, "redis read")
	if err != nil {
		return err
	}
	defer cancel()
	open := make([]int, len(requests)) // requests whose page is not complete
	rest := make([]persistence.ReadRequest, len(requests))
	for i := range requests {
		open[i], rest[i], pages[i] = i, requests[i], persistence.Page{}
	}
	for len(open) > 0 {
		calls := make([]call, len(open))
		for k, i := range open {
			calls[k] = s.readCall(&rest[i])
		}
		results := s.exec(ctx, calls, false)
		again := open[:0]
		for k, i := range open {
			if !fillPage(&rest[i], &pages[i], results[k]) {
				again = append(again, i)
			}
		}
		open = again
	}
	return nil
}

func (s *Store) readCall(r *persistence.ReadRequest) call {
	return call{
		op:   opRead,
		keys: s.keys(r.User)[:2],
		args: []string{decimalSeq(r.After), decimal(r.Count), decimal(r.Bytes)},
	}
}

// fillPage adds an answer to a page and reports whether the page is complete. It is not if records were left out
// because they have expired and there is more to read; the request then asks for the rest.
func fillPage(rest *persistence.ReadRequest, page *persistence.Page, r rueidis.RedisResult) bool {
	answer, err := r.ToArray()
	if err == nil && len(answer) == 0 {
		err = fmt.Errorf("%w: empty answer", persistence.ErrCorrupt)
	}
	if err != nil {
		*page = persistence.Page{Err: failed(err)}
		return true
	}
	more, _ := answer[0].ToInt64()
	page.More = more == 1
	if page.Pending == nil {
		page.Pending = make([]persistence.Pending, 0, len(answer)-1)
	}
	left := false // something was left out
	for _, item := range answer[1:] {
		b, err := item.AsBytes()
		var p persistence.Pending
		if err == nil {
			p, err = parseRecord(rest.User, b)
		}
		switch {
		case err != nil && len(page.Pending) == 0:
			*page = persistence.Page{Err: failed(err)}
			return true
		case err != nil:
			page.More = true
			return true
		}
		rest.After = p.Seq
		if p.Expires <= rest.Now {
			left = true
			continue
		}
		page.Pending = append(page.Pending, p)
		rest.Count--
		rest.Bytes -= len(p.Payload)
	}
	return !page.More || !left || rest.Count <= 0 || rest.Bytes <= 0
}

// failed is the error of a page.
func failed(err error) error {
	if errors.Is(err, persistence.ErrCorrupt) {
		return fmt.Errorf("redis read: %w", err)
	}
	return failure("redis read", false, err)
}
