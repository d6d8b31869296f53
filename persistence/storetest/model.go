package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// checkModel compares the store with the simplest program that does the same, over random sequences of calls. Names,
// ids, payloads and bounds are few and small, so that they collide often. A failure is shrunk to few calls, and printed
// with a seed to repeat it.
func checkModel(t *testing.T, open Open) {
	t.Helper()
	rapid.Check(t, func(r *rapid.T) {
		m := newModel(t, open)
		defer m.close(r)
		actions := map[string]func(*rapid.T){
			"append": m.append, "confirm": m.confirm, "read": m.read, "advance": m.advance,
			"keys": m.keys, "ceiling": m.ceiling, "": m.check,
		}
		if m.instance.Reopen != nil {
			actions["reopen"] = m.reopen
		}
		r.Repeat(actions)
	})
}

var modelQuota = persistence.Quota{Messages: 6, Bytes: 40}

// model is what the store should hold, and the store.
type model struct {
	t        *testing.T
	instance *Instance
	store    actors.Store
	ctx      context.Context

	users map[string]*modelUser
	now   int64 // rises; all that has expired by it has been removed
	high  uint64
}

type modelUser struct {
	key     []byte
	locked  bool
	highest uint64
	pending []persistence.Pending
}

var modelNames = []string{"alice", "bob", "carol"}

func newModel(t *testing.T, open Open) *model {
	in := open(t, modelQuota)
	m := &model{t: t, instance: in, store: in.Store, ctx: context.Background(), users: make(map[string]*modelUser), now: now}
	for _, name := range modelNames {
		m.users[name] = &modelUser{}
	}
	return m
}

func (m *model) close(r *rapid.T) {
	if err := m.store.Close(); err != nil {
		r.Fatalf("Close: %v", err)
	}
}

func (m *model) reopen(r *rapid.T) {
	m.close(r)
	m.store = m.instance.Reopen(m.t)
}

func drawName(r *rapid.T) string { return rapid.SampledFrom(modelNames).Draw(r, "name") }

// append makes one call for several users. Seqs mostly rise, and sometimes repeat or fall below what was appended.
func (m *model) append(r *rapid.T) {
	n := rapid.IntRange(1, 8).Draw(r, "envelopes")
	next := make(map[string]uint64)
	var batch []persistence.Pending
	var want []error
	refused := make(map[string]bool)
	for range n {
		name := drawName(r)
		u := m.users[name]
		low := int(next[name]) // each user's in ascending order within the call
		if low == 0 {
			low = max(1, int(u.highest)-3)
		}
		seq := rapid.IntRange(low, low+5).Draw(r, "seq")
		next[name] = uint64(seq) + 1
		p := persistence.Pending{
			To: user(name), From: user(drawName(r)), Seq: uint64(seq), Time: m.now,
			Expires: m.now + int64(rapid.SampledFrom([]int{1, 2, 3, 1000}).Draw(r, "ttl")),
			ID:      rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(r, "id"),
			Payload: bytes.Repeat([]byte(rapid.SampledFrom([]string{"x", "y"}).Draw(r, "byte")), rapid.IntRange(0, 12).Draw(r, "size")),
		}
		p.Accepted = rapid.IntRange(0, 3).Draw(r, "accepted") == 0
		batch = append(batch, p)
		err := u.append(p, refused[name])
		refused[name] = refused[name] || err == errQuota
		want = append(want, err)
	}
	errs := stale(n)
	if err := m.store.Append(m.ctx, batch, errs); err != nil {
		r.Fatalf("Append: %v", err)
	}
	for i := range want {
		if !errors.Is(errs[i], want[i]) {
			r.Fatalf("Append of %s: got %v, want %v", describe(&batch[i]), errs[i], want[i])
		}
	}
}

// append is the rule of actors.Store, word for word.
func (u *modelUser) append(p persistence.Pending, refused bool) error {
	total := len(p.Payload)
	for _, q := range u.pending {
		total += len(q.Payload)
		if p.ID == "" || p.ID != q.ID || p.From != q.From {
			continue
		}
		switch {
		case p.Seq == q.Seq:
			return nil
		case bytes.Equal(p.Payload, q.Payload):
			return errDuplicate
		}
		return errConflict
	}
	if p.Seq <= u.highest {
		return nil
	}
	if !p.Accepted && (refused || len(u.pending) >= modelQuota.Messages || int64(total) > modelQuota.Bytes) {
		return errQuota
	}
	u.pending = append(u.pending, p)
	u.highest = p.Seq
	return nil
}

func (m *model) confirm(r *rapid.T) {
	name := drawName(r)
	u := m.users[name]
	seq := uint64(rapid.IntRange(max(0, int(u.highest)-8), int(u.highest)+3).Draw(r, "seq"))
	errs := stale(1)
	if err := m.store.Confirm(m.ctx, []persistence.Confirmed{{User: user(name), Seq: seq}}, errs); err != nil || errs[0] != nil {
		r.Fatalf("Confirm: %v, %v", err, errs[0])
	}
	u.pending = slices.DeleteFunc(u.pending, func(p persistence.Pending) bool { return p.Seq <= seq })
}

// read reads a page with random bounds.
func (m *model) read(r *rapid.T) {
	name := drawName(r)
	u := m.users[name]
	request := persistence.ReadRequest{
		User: user(name), Now: m.now,
		After: uint64(rapid.IntRange(0, int(u.highest)+1).Draw(r, "after")),
		Count: rapid.IntRange(1, 8).Draw(r, "count"),
		Bytes: rapid.IntRange(1, 60).Draw(r, "bytes"),
	}
	pages := make([]persistence.Page, 1)
	if err := m.store.Read(m.ctx, []persistence.ReadRequest{request}, pages); err != nil || pages[0].Err != nil {
		r.Fatalf("Read: %v, %v", err, pages[0].Err)
	}
	behind := u.pending[slices.IndexFunc(append(u.pending, persistence.Pending{Seq: 1 << 60}), func(p persistence.Pending) bool {
		return p.Seq > request.After
	}):]
	got := pages[0].Pending
	if len(got) > len(behind) || len(got) > request.Count || len(got) == 0 && len(behind) > 0 {
		r.Fatalf("page of %d, pending behind %d are %v, count %d", len(got), request.After, seqs(behind), request.Count)
	}
	total := 0
	for i := range got {
		if total >= request.Bytes && i > 0 {
			r.Fatalf("page goes on after %d bytes, bound %d", total, request.Bytes)
		}
		total += len(got[i].Payload)
		if !equal(&got[i], &behind[i]) {
			r.Fatalf("envelope %d: got %s, want %s", i, describe(&got[i]), describe(&behind[i]))
		}
	}
	if !pages[0].More && len(got) < len(behind) {
		r.Fatalf("page of %d of %d without More", len(got), len(behind))
	}
	if short := len(got) < request.Count && total < request.Bytes; pages[0].More && short && len(got) == len(behind) {
		r.Fatalf("page of %d below both bounds with More", len(got))
	}
}

// advance moves the time and removes what has expired by then, a few at a time.
func (m *model) advance(r *rapid.T) {
	m.now += int64(rapid.IntRange(0, 3).Draw(r, "ms"))
	limit := rapid.IntRange(1, 4).Draw(r, "limit")
	want := 0
	for _, u := range m.users {
		before := len(u.pending)
		u.pending = slices.DeleteFunc(u.pending, func(p persistence.Pending) bool { return p.Expires <= m.now })
		want += before - len(u.pending)
	}
	for got := 0; ; {
		n, err := m.store.Expire(m.ctx, m.now, limit)
		if err != nil || n > limit {
			r.Fatalf("Expire of at most %d: %d, %v", limit, n, err)
		}
		if got += n; n == 0 {
			if got != want {
				r.Fatalf("Expire at %d removed %d, want %d", m.now, got, want)
			}
			return
		}
	}
}

// keys stores a key or locks a user.
func (m *model) keys(r *rapid.T) {
	name := drawName(r)
	u := m.users[name]
	errs := stale(1)
	var err error
	if rapid.Bool().Draw(r, "lock") {
		err = m.store.Lock(m.ctx, []protocol.UserID{user(name)}, errs)
		u.locked = u.key != nil
	} else {
		key := []byte(fmt.Sprint("key ", m.now))
		err = m.store.PutKeys(m.ctx, []persistence.KeyRecord{{User: user(name), Key: key}}, errs)
		if u.key == nil {
			u.key = key
		}
	}
	if err != nil || errs[0] != nil {
		r.Fatalf("PutKeys or Lock: %v, %v", err, errs[0])
	}
}

func (m *model) ceiling(r *rapid.T) {
	raise := uint64(rapid.IntRange(0, 1000).Draw(r, "raise"))
	if was, err := m.store.Ceiling(m.ctx, raise); err != nil || was != m.high {
		r.Fatalf("Ceiling(%d) = %d, %v, want %d", raise, was, err, m.high)
	}
	m.high = max(m.high, raise)
}

// check runs after every action: all that is pending, and all keys.
func (m *model) check(r *rapid.T) {
	var requests []persistence.ReadRequest
	var users []protocol.UserID
	for _, name := range modelNames {
		requests = append(requests, persistence.ReadRequest{User: user(name), Count: 1000, Bytes: far, Now: m.now})
		users = append(users, user(name))
	}
	pages, keys, errs := make([]persistence.Page, len(users)), make([]persistence.KeyRecord, len(users)), stale(len(users))
	if err := m.store.Read(m.ctx, requests, pages); err != nil {
		r.Fatalf("Read: %v", err)
	}
	if err := m.store.Keys(m.ctx, users, keys, errs); err != nil {
		r.Fatalf("Keys: %v", err)
	}
	for i, name := range modelNames {
		u := m.users[name]
		if err := errors.Join(pages[i].Err, errs[i]); err != nil {
			r.Fatalf("%s: %v", name, err)
		}
		same := slices.EqualFunc(pages[i].Pending, u.pending, func(a, b persistence.Pending) bool { return equal(&a, &b) })
		if !same || pages[i].More {
			r.Fatalf("%s has pending %v (more: %v), want %v", name, seqs(pages[i].Pending), pages[i].More, seqs(u.pending))
		}
		if !bytes.Equal(keys[i].Key, u.key) || keys[i].Locked != u.locked {
			r.Fatalf("%s has key %q locked %v, want %q %v", name, keys[i].Key, keys[i].Locked, u.key, u.locked)
		}
	}
}
