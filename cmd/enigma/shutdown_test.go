package main_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// sender writes numbered messages to one user until its connection ends, and remembers how many it wrote.
type sender struct {
	user *enigmatest.User
	sent int
}

// run writes at a pace that leaves no long queue in the kernel's buffers: what is in them when the server closes must
// be read within the second that its close waits for the client's.
func (s *sender) run(to string) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for {
		for range 20 {
			if s.user.TrySend(to, fmt.Sprintf("%s %d", s.user.ID, s.sent)) != nil {
				return
			}
			s.sent++
		}
		<-pace.C
	}
}

// arrivals counts, per sender, which numbers a user received. Duplicates are allowed; gaps below the highest are not.
type arrivals struct {
	seen map[string]map[int]bool
}

func (a *arrivals) take(f enigmatest.Frame) error {
	from, number, _ := strings.Cut(f.Payload, " ")
	n, err := strconv.Atoi(number)
	if err != nil || from != f.From {
		return fmt.Errorf("unexpected frame %s", f.Raw)
	}
	if a.seen[from] == nil {
		a.seen[from] = make(map[int]bool)
	}
	a.seen[from][n] = true
	return nil
}

// TestShutdown_LosesNothingUnderLoad stops a server while four users write to two, one of whom is away. A client's
// stack answers the server's Close with its own and writes nothing after it: all it wrote was before, and the server
// reads until then. So every message that was written must arrive, now or after the restart.
func TestShutdown_LosesNothingUnderLoad(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			where := store(t)
			args := []string{"--store", where, "--mailbox-messages", "1000000", "--mailbox-bytes", "1GiB"}
			s := enigmatest.Start(t, args...)
			present, away := s.Login("present"), s.Login("away")
			got := map[string]*arrivals{present: {map[string]map[int]bool{}}, away: {map[string]map[int]bool{}}}

			reader := s.Connect(present)
			var senders []*sender
			var running sync.WaitGroup
			for i := range 4 {
				sd := &sender{user: s.Connect(s.Login(fmt.Sprint("sender ", i)))}
				senders = append(senders, sd)
				to := []string{present, away}[i%2]
				running.Go(func() { sd.run(to) })
			}
			collect(t, reader, got[present], 500)
			s.Signal(syscall.SIGTERM)
			collect(t, reader, got[present], -1)
			if status := s.Wait(); status != 0 {
				t.Fatalf("exit status %d\n%s", status, s.Log())
			}
			running.Wait()
			for _, sd := range senders {
				if status := sd.user.Closed(); status != 1001 {
					t.Errorf("a sender was closed with %d, want 1001", status)
				}
			}

			s = enigmatest.Start(t, args...)
			for _, id := range []string{present, away} {
				drain(t, s, id, got[id])
			}
			for i, sd := range senders {
				checkComplete(t, sd, got[[]string{present, away}[i%2]].seen[sd.user.ID])
			}
		})
	}
}

// collect takes n messages, or with n below zero all until the connection ends.
func collect(t *testing.T, u *enigmatest.User, into *arrivals, n int) {
	t.Helper()
	for ; n != 0; n-- {
		f, ok := u.Next()
		if !ok {
			if n > 0 {
				t.Fatal("the connection ended early")
			}
			return
		}
		if err := into.take(f); err != nil {
			t.Fatal(err)
		}
	}
}

// drain connects a user and takes all that was stored: a message to itself, sent first, comes behind it.
func drain(t *testing.T, s *enigmatest.Server, id string, into *arrivals) {
	t.Helper()
	u := s.Connect(id)
	u.Send(id, "end")
	for {
		f := u.Expect()
		if f.From == id {
			return
		}
		if err := into.take(f); err != nil {
			t.Fatal(err)
		}
	}
}

// checkComplete checks that all a sender wrote has arrived.
func checkComplete(t *testing.T, sd *sender, seen map[int]bool) {
	t.Helper()
	missing := 0
	for n := range sd.sent {
		if !seen[n] {
			missing++
		}
	}
	if sd.sent == 0 || missing > 0 {
		t.Errorf("%d of %d messages were lost", missing, sd.sent)
	}
}

// TestShutdown_KeepsWhatWasReadBeforeTheClientsClose sends a burst and leaves: the answer to a client's Close says
// that all before it was read, hence accepted.
func TestShutdown_KeepsWhatWasReadBeforeTheClientsClose(t *testing.T) {
	where := t.TempDir()
	s := enigmatest.Start(t, "--store", where)
	alice, bob := s.Login("alice"), s.Login("bob")
	a := s.Connect(alice)
	const burst = 500
	for i := range burst {
		a.Send(bob, fmt.Sprintf("%s %d", alice, i))
	}
	a.Leave()
	s.ExpectStatus(0)
	s.Signal(syscall.SIGINT)
	s.Wait()

	s = enigmatest.Start(t, "--store", where)
	got := &arrivals{map[string]map[int]bool{}}
	drain(t, s, bob, got)
	if len(got.seen[alice]) != burst {
		t.Errorf("%d of %d messages arrived", len(got.seen[alice]), burst)
	}
}

// TestShutdown_SecondSignalEndsAtOnce holds the orderly stop up by a client that does not answer the Close.
func TestShutdown_SecondSignalEndsAtOnce(t *testing.T) {
	s := enigmatest.Start(t, "--shutdown-timeout", "1m")
	mute := connectMute(t, s, s.Login("alice"))
	defer mute.Close()
	s.ExpectStatus(1)
	s.Signal(syscall.SIGTERM)
	s.AwaitLog("stopping")
	s.Signal(syscall.SIGINT)
	if status := s.Wait(); status != 1 {
		t.Errorf("exit status %d, want 1\n%s", status, s.Log())
	}
	if log := s.Log(); !strings.Contains(log, "second signal") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

// TestShutdown_MuteClientsDoNotHoldItUp has a client that never reads or answers.
func TestShutdown_MuteClientsDoNotHoldItUp(t *testing.T) {
	s := enigmatest.Start(t)
	mute := connectMute(t, s, s.Login("alice"))
	defer mute.Close()
	begin := time.Now()
	if status := s.Stop(); status != 0 {
		t.Errorf("exit status %d\n%s", status, s.Log())
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
}
