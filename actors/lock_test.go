package actors_test

import (
	"context"
	"errors"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// isLocked asks the store itself.
func isLocked(t *testing.T, store actors.Store, id protocol.UserID) bool {
	t.Helper()
	keys, errs := make([]persistence.KeyRecord, 1), make([]error, 1)
	if err := errors.Join(store.Keys(t.Context(), []protocol.UserID{id}, keys, errs), errs[0]); err != nil {
		t.Fatal(err)
	}
	return keys[0].Locked
}

// refused checks that a conn was turned away for want of a proof.
func refused(t *testing.T, c *conn) {
	t.Helper()
	f := c.next()
	if f.Code != "PROOF_REQUIRED" || c.next().close != protocol.CloseProofRequired || c.isReady() {
		t.Fatalf("got %+v", f)
	}
}

func (c *conn) isReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

// readied checks that a v1 conn was told to be ready.
func readied(t *testing.T, c *conn) {
	t.Helper()
	expect(t, c.next(), frame{Type: "ready"})
	expect(t, c.next(), frame{Type: "drained"})
}

func TestLock_IsDurableBeforeReady(t *testing.T) {
	memory := newMemory()
	store := storetest.NewFaulty(memory)
	b := newBroker(t, store)
	alice := login(t, b, "alice")
	old := attach(t, b, alice) // who has not proved, and may, until somebody does
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Lock)
	c := connect(t, b, alice, proven)
	if err := store.Await(t.Context(), storetest.Lock, 1); err != nil {
		t.Fatal(err)
	}
	c.silent()
	// Nobody slips in meanwhile, by either profile; the conn that was there goes on.
	refused(t, attach(t, b, alice))
	refused(t, attach(t, b, alice, v1))
	old.send(alice, "to myself")
	expect(t, old.next(), message(alice, alice, "to myself"))
	if c.isReady() {
		t.Error("ready before the lock is kept")
	}
	close(hold)
	readied(t, c)
	if !isLocked(t, memory, alice) {
		t.Error("ready without a lock in the store")
	}
	expect(t, old.next(), frame{Error: "Connected from another location", Code: "REPLACED"})
	refused(t, attach(t, b, alice))
	c.drop()
	refused(t, attach(t, b, alice))
	// The next proof finds the lock and does not write it again.
	readied(t, attach(t, b, alice, proven))
	if n := store.Calls(storetest.Lock); n != 1 {
		t.Errorf("locked %d times", n)
	}
	if s := b.Stats(); s.Attached != 3 || s.Detached != 2 {
		t.Errorf("%d attached, %d detached: those refused count", s.Attached, s.Detached)
	}
}

func TestLock_OutlivesTheBroker(t *testing.T) {
	store := storetest.NewFaulty(newMemory())
	first := newBroker(t, store)
	alice := login(t, first, "alice")
	readied(t, attach(t, first, alice, proven))
	if err := shutdown(t, first); err != nil {
		t.Fatal(err)
	}
	b := newBroker(t, store)
	refused(t, attach(t, b, alice))
	refused(t, attach(t, b, alice, v1))
	readied(t, attach(t, b, alice, proven))
	if n := store.Calls(storetest.Lock); n != 1 {
		t.Errorf("locked %d times", n)
	}
	bob := login(t, b, "bob") // whom it does not concern
	attach(t, b, bob).silent()
}

func TestLock_ThatCannotBeKeptMakesNobodyReady(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"unavailable":     {Before: persistence.ErrUnavailable},
		"unknown outcome": {After: persistence.ErrUnknownOutcome},
		"one failed item": {Items: persistence.ErrFull},
	} {
		t.Run(name, func(t *testing.T) {
			memory := newMemory()
			store := storetest.NewFaulty(memory)
			b := newBroker(t, store)
			alice := login(t, b, "alice")
			store.Set(fault, storetest.Lock)
			c := attach(t, b, alice, proven)
			expect(t, c.next(), frame{close: protocol.CloseTryAgain})
			if c.isReady() {
				t.Error("ready")
			}
			refused(t, attach(t, b, alice)) // a valid proof has been given
			store.Heal()
			readied(t, attach(t, b, alice, proven))
			if !isLocked(t, memory, alice) {
				t.Error("no lock in the store")
			}
		})
	}
}

func TestLock_ConnsThatWaitForItAttachInTheirOrder(t *testing.T) {
	store := storetest.NewFaulty(newMemory())
	b := newBroker(t, store)
	alice := login(t, b, "alice")
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Lock)
	first := connect(t, b, alice, proven)
	if err := store.Await(t.Context(), storetest.Lock, 1); err != nil {
		t.Fatal(err)
	}
	gone, last := connect(t, b, alice, proven), connect(t, b, alice, proven)
	gone.drop()
	close(hold)
	expect(t, first.next(), frame{Type: "ready"})
	for f := first.next(); f.close != protocol.CloseReplaced; f = first.next() {
		if f.Code != "REPLACED" && f.Type != "drained" {
			t.Fatalf("got %+v", f)
		}
	}
	readied(t, last)
	gone.silent()
	if n := b.Stats().Attached; n != 2 {
		t.Errorf("%d attached", n)
	}
	if n := store.Calls(storetest.Lock); n != 1 {
		t.Errorf("locked %d times", n)
	}
}

// The actor stops, for whatever reason, while the lock is under way: the conns that wait are served by its successor.
func TestLock_SurvivesItsActor(t *testing.T) {
	memory := newMemory()
	store := storetest.NewFaulty(memory)
	b := newBroker(t, store)
	alice := login(t, b, "alice")
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold, Times: 1}, storetest.Lock)
	c := connect(t, b, alice, proven)
	if err := store.Await(t.Context(), storetest.Lock, 1); err != nil {
		t.Fatal(err)
	}
	b.System().Root.Stop(b.PIDOf(alice))
	c.do(func() {})
	close(hold)
	readied(t, c)
	if !isLocked(t, memory, alice) {
		t.Error("no lock in the store")
	}
}

func TestLock_DoesNotKeepABrokerFromShuttingDown(t *testing.T) {
	store := storetest.NewFaulty(newMemory())
	b := newBroker(t, store)
	alice := login(t, b, "alice")
	hold := make(chan struct{})
	store.Set(storetest.Fault{Hold: hold}, storetest.Lock)
	c := connect(t, b, alice, proven)
	if err := store.Await(t.Context(), storetest.Lock, 1); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	other := attach(t, b, login(t, b, "bob"))
	go func() { ended <- shutdown(t, b) }()
	expect(t, other.next(), frame{close: protocol.CloseGoingAway}) // so the shard is leaving
	close(hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if c.isReady() {
		t.Error("ready on a broker that shuts down")
	}
}

func TestAuth_DecidesWhoAttaches(t *testing.T) {
	const provable = "ed25519:O2onvM62pC1ioxKovaYp3J4dU49yeXv-wALVpVh7Ngg"
	for name, c := range map[string]struct {
		auth           actors.Auth
		before, after  bool // whether an unproven conn may attach, before and after a proof
		keeps, forever bool // whether the proof is kept in the store, and counts with AuthLock later
		unprovable     protocol.Code
	}{
		"lock":    {actors.AuthLock, true, false, true, true, protocol.CodeNone},
		"require": {actors.AuthRequire, false, false, true, true, protocol.CodeKeyNotProvable},
		"open":    {actors.AuthOpen, true, true, false, false, protocol.CodeNone},
	} {
		t.Run(name, func(t *testing.T) {
			store := newMemory()
			b := newBroker(t, store, actors.WithAuth(c.auth))
			if _, err := b.Login(t.Context(), []byte("any text")); actors.CodeOf(err) != c.unprovable {
				t.Errorf("login of a key that cannot be proved: %v", err)
			}
			id := login(t, b, provable)
			may := func(want bool, setup ...func(*conn)) {
				t.Helper()
				if c := attach(t, b, id, setup...); c.isReady() != want {
					t.Errorf("attached: %v", !want)
				} else {
					c.drop()
				}
			}
			may(c.before)
			may(c.before, v1)
			p := attach(t, b, id, proven)
			readied(t, p)
			// Whatever the policy, the proven conn stays.
			refused(t, attach(t, b, id))
			refused(t, attach(t, b, id, v1))
			p.silent()
			if isLocked(t, store, id) != c.keeps {
				t.Errorf("locked in the store: %v", !c.keeps)
			}
			p.drop()
			may(c.after)
			may(c.after, v1)
			if err := shutdown(t, b); err != nil {
				t.Fatal(err)
			}
			b = newBroker(t, store) // with AuthLock
			may(!c.forever)
			may(true, proven)
			may(false)
		})
	}
	if _, err := actors.New(actors.WithStore(newMemory()), actors.WithAuth(actors.AuthOpen+1)); err == nil {
		t.Error("a policy that there is not is taken")
	}
}

// A lock from another time does not count while the policy is open.
func TestAuth_OpenForgetsNoLockAndHeedsNone(t *testing.T) {
	store := newMemory()
	b := newBroker(t, store)
	alice := login(t, b, "alice")
	readied(t, attach(t, b, alice, proven))
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	b = newBroker(t, store, actors.WithAuth(actors.AuthOpen))
	if c := attach(t, b, alice); !c.isReady() {
		t.Error("an unproven conn was refused")
	}
	if !isLocked(t, store, alice) {
		t.Error("the lock is gone")
	}
}

func TestBroker_UnknownUsersAreToldWhateverThePolicy(t *testing.T) {
	b := newBroker(t, newMemory(), actors.WithAuth(actors.AuthRequire))
	c := attach(t, b, protocol.NewUserID([]byte("nobody")))
	expect(t, c.next(), frame{Error: "User not found", Code: "USER_NOT_FOUND"})
	expect(t, c.next(), frame{close: protocol.CloseUserNotFound})
}

func TestBroker_KnowsTheKeyToProve(t *testing.T) {
	store := storetest.NewFaulty(newMemory())
	b := newBroker(t, store)
	alice, bob := login(t, b, "alice"), login(t, b, "bob")
	check := func(id protocol.UserID, want string, code protocol.Code) {
		t.Helper()
		if key, err := b.KeyToProve(t.Context(), id); string(key) != want || actors.CodeOf(err) != code {
			t.Errorf("key %q, %v", key, err)
		}
	}
	check(alice, "alice", protocol.CodeNone)
	check(protocol.NewUserID([]byte("nobody")), "", protocol.CodeUserNotFound)
	attach(t, b, alice)
	store.Set(storetest.Fault{Before: persistence.ErrUnavailable}, storetest.Keys)
	check(alice, "alice", protocol.CodeNone)
	check(bob, "", protocol.CodeStoreUnavailable)
	store.Heal()
	if err := shutdown(t, b); err != nil {
		t.Fatal(err)
	}
	check(alice, "", protocol.CodeStoreUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.KeyToProve(ctx, alice); err == nil {
		t.Error("a key after the end")
	}
}
