package memory

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Append adds envelopes, each user's in ascending seq.
func (s *Store) Append(ctx context.Context, pending []persistence.Pending, errs []error) error {
	if err := s.enter(ctx, "append"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	var refused map[protocol.UserID]bool // those who met their quota in this call
	for i := range pending {
		p := &pending[i]
		u := s.user(p.To)
		errs[i] = s.append(u, p, refused[p.To])
		if errs[i] == persistence.ErrQuota {
			if refused == nil {
				refused = make(map[protocol.UserID]bool)
			}
			refused[p.To] = true
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("append: %w", errs[i])
		}
	}
	return nil
}

// append keeps one envelope, or says why not; full says that one before it in the same call met the quota.
func (s *Store) append(u *user, p *persistence.Pending, full bool) error {
	if p.ID != "" {
		if seq, ok := u.ids[sender{p.From, p.ID}]; ok {
			switch stored := &u.pending[u.after(seq-1)]; {
			case seq == p.Seq:
				return nil
			case bytes.Equal(stored.Payload, p.Payload):
				return persistence.ErrDuplicate
			default:
				return persistence.ErrConflict
			}
		}
	}
	if p.Seq <= u.highest {
		return nil
	}
	if !p.Accepted && (full || s.exceeds(u, p)) {
		return persistence.ErrQuota
	}
	kept := *p
	kept.Payload = bytes.Clone(p.Payload)
	kept.ID = string([]byte(p.ID)) // the caller's string may alias a buffer
	kept.Accepted = false
	if kept.ID != "" {
		if u.ids == nil {
			u.ids = make(map[sender]uint64)
		}
		u.ids[sender{kept.From, kept.ID}] = kept.Seq
	}
	u.pending = append(u.pending, kept)
	u.highest = kept.Seq
	u.bytes += int64(len(kept.Payload))
	s.schedule(u, kept.Expires)
	return nil
}

// exceeds says whether one more envelope would put the mailbox over its quota.
func (s *Store) exceeds(u *user, p *persistence.Pending) bool {
	return s.quota.Messages > 0 && len(u.pending) >= s.quota.Messages ||
		s.quota.Bytes > 0 && u.bytes+int64(len(p.Payload)) > s.quota.Bytes
}

// Read fills one page per request.
func (s *Store) Read(ctx context.Context, requests []persistence.ReadRequest, pages []persistence.Page) error {
	if err := s.enter(ctx, "read"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i := range requests {
		pages[i] = persistence.Page{}
		if u := s.users[requests[i].User]; u != nil {
			u.read(&requests[i], &pages[i])
		}
	}
	return nil
}

func (u *user) read(r *persistence.ReadRequest, page *persistence.Page) {
	total := 0
	for i := u.after(r.After); i < len(u.pending); i++ {
		p := u.pending[i]
		if p.Expires <= r.Now {
			continue
		}
		if n := len(page.Pending); n > 0 && (n >= r.Count || total >= r.Bytes) {
			page.More = true
			return
		}
		total += len(p.Payload)
		p.Payload = bytes.Clone(p.Payload)
		page.Pending = append(page.Pending, p)
	}
}

// Confirm deletes each user's envelopes up to a seq.
func (s *Store) Confirm(ctx context.Context, confirmed []persistence.Confirmed, errs []error) error {
	if err := s.enter(ctx, "confirm"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i, c := range confirmed {
		errs[i] = nil
		u := s.users[c.User]
		if u == nil {
			continue
		}
		n := u.after(c.Seq)
		for j := range u.pending[:n] {
			u.forget(&u.pending[j])
			u.pending[j] = persistence.Pending{} // the array lives on behind the slice
		}
		u.pending = u.pending[n:]
		if len(u.pending) == 0 {
			u.pending, u.ids = nil, nil
		}
	}
	return nil
}

// Expire deletes at most limit envelopes that have expired by now.
func (s *Store) Expire(ctx context.Context, now int64, limit int) (int, error) {
	if err := s.enter(ctx, "expire"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	removed := 0
	for removed < limit && len(s.due) > 0 && s.due[0].at <= now {
		e := heap.Pop(&s.due).(dueEntry)
		if e.user.due != e.at {
			continue // it was scheduled again, for a sooner time
		}
		e.user.due = 0
		removed += e.user.expire(now, limit-removed)
		for i := range e.user.pending {
			s.schedule(e.user, e.user.pending[i].Expires)
		}
	}
	return removed, nil
}

// expire removes at most limit expired envelopes and returns how many.
func (u *user) expire(now int64, limit int) int {
	removed, kept := 0, u.pending[:0]
	for i := range u.pending {
		p := &u.pending[i]
		if p.Expires <= now && removed < limit {
			u.forget(p)
			removed++
			continue
		}
		kept = append(kept, *p)
	}
	clear(u.pending[len(kept):])
	u.pending = kept
	return removed
}
