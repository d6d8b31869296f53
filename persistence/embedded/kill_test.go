package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
	"github.com/enigma-protocol/enigma/persistence/storetest"
)

// What the child that is killed and its parent have agreed on.
const (
	dirVar    = "EMBEDDED_TEST_DIR"
	killUsers = 5    // per writer
	writers   = 2    // goroutines of the child
	farFuture = 1e15 // ms
)

func killUser(writer, u int) protocol.UserID {
	return protocol.NewUserID(fmt.Appendf(nil, "writer %d user %d", writer, u))
}

// killPayload is a different number of different bytes for every envelope.
func killPayload(user protocol.UserID, seq uint64) []byte {
	line := fmt.Appendf(nil, "%s %d.", user, seq)
	return bytes.Repeat(line, int(seq%7)+1)
}

// appendForever is the child: each writer appends to its users and confirms in between, until it is killed. It prints
// "acked U SEQ" when an append has returned, and "confirming U SEQ" before it confirms.
func appendForever() error {
	s, err := embedded.Open(os.Getenv(dirVar), embedded.Options{})
	if err != nil {
		return err
	}
	return runWriters(s)
}

// keepNothing is a child whose store does not survive.
func keepNothing() error { return runWriters(storetest.NewMemory(persistence.Quota{})) }

// acknowledgeEarly is a child whose store acknowledges a batch before it appends it.
func acknowledgeEarly() error {
	s, err := embedded.Open(os.Getenv(dirVar), embedded.Options{})
	if err != nil {
		return err
	}
	return runWriters(&early{Store: s})
}

type early struct{ *embedded.Store }

func (e *early) Append(_ context.Context, pending []persistence.Pending, errs []error) error {
	pending = append([]persistence.Pending{}, pending...)
	time.AfterFunc(5*time.Millisecond, func() {
		_ = e.Store.Append(context.Background(), pending, make([]error, len(pending)))
	})
	clear(errs)
	return nil
}

func runWriters(s actors.Store) error {
	failed := make(chan error)
	for w := range writers {
		go func() { failed <- writer(s, w) }()
	}
	return <-failed
}

func writer(s actors.Store, w int) error {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(w)))
	next := make([]uint64, killUsers)
	for u := range next { // above all that earlier children may have appended
		next[u] = uint64(time.Now().UnixMicro())
	}
	for {
		var batch []persistence.Pending
		for range 1 + rng.IntN(30) {
			u := rng.IntN(killUsers)
			to := killUser(w, u)
			batch = append(batch, persistence.Pending{To: to, Seq: next[u], Expires: farFuture, Payload: killPayload(to, next[u])})
			next[u]++
		}
		errs := make([]error, len(batch))
		if err := errors.Join(append(errs, s.Append(ctx, batch, errs))...); err != nil {
			return err
		}
		var lines bytes.Buffer
		for i := range batch {
			fmt.Fprintf(&lines, "acked %s %d\n", batch[i].To, batch[i].Seq)
		}
		confirm := rng.IntN(4) == 0
		u := rng.IntN(killUsers)
		c := persistence.Confirmed{User: killUser(w, u), Seq: next[u] - uint64(1+rng.IntN(60))}
		if confirm {
			fmt.Fprintf(&lines, "confirming %s %d\n", c.User, c.Seq)
		}
		if _, err := os.Stdout.Write(lines.Bytes()); err != nil {
			return err
		}
		if confirm {
			if err := s.Confirm(ctx, []persistence.Confirmed{c}, errs[:1]); err != nil {
				return err
			}
		}
	}
}

// witness is what the children of one directory have said.
type witness struct {
	acked     map[string][]uint64
	confirmed map[string]uint64
}

// kill runs a child over a directory, kills it after a while and takes down what it said.
func (k *witness) kill(t *testing.T, child, dir string, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+child, dirVar+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var timer *time.Timer
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // what is cut off was not said
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		if timer == nil { // the child is at work now
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		var what, user string
		var seq uint64
		if _, err := fmt.Sscan(line, &what, &user, &seq); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if what == "acked" {
			k.acked[user] = append(k.acked[user], seq)
		} else {
			k.confirmed[user] = max(k.confirmed[user], seq)
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child was to be killed: %v, %s", err, stderr.Bytes())
	}
}

// check opens the directory and compares it with what the children said: everything acknowledged and not confirmed is
// there, in order and as it was written, and appending it again changes nothing.
func (k *witness) check(t *testing.T, dir string) error {
	t.Helper()
	s := open(t, dir, embedded.Options{})
	defer s.Close()
	for w := range writers {
		for u := range killUsers {
			if err := k.checkUser(s, killUser(w, u)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *witness) checkUser(s *embedded.Store, user protocol.UserID) error {
	pending, err := readAll(s, user)
	if err != nil {
		return err
	}
	stored := make(map[uint64]bool)
	for i := range pending {
		p := &pending[i]
		if i > 0 && p.Seq <= pending[i-1].Seq {
			return fmt.Errorf("%s: %d stands after %d", user, p.Seq, pending[i-1].Seq)
		}
		if !bytes.Equal(p.Payload, killPayload(user, p.Seq)) {
			return fmt.Errorf("%s: %d has another payload than was appended", user, p.Seq)
		}
		stored[p.Seq] = true
	}
	acked := k.acked[user.String()]
	for _, seq := range acked {
		if seq > k.confirmed[user.String()] && !stored[seq] {
			return fmt.Errorf("%s: %d was acknowledged and is lost", user, seq)
		}
	}
	for _, seq := range acked {
		again := []persistence.Pending{{To: user, Seq: seq, Expires: farFuture, Payload: []byte("again")}}
		errs := make([]error, 1)
		if err := errors.Join(s.Append(context.Background(), again, errs), errs[0]); err != nil {
			return err
		}
	}
	if after, err := readAll(s, user); err != nil || len(after) != len(pending) {
		return fmt.Errorf("%s: %d pending after old ones were appended again, %d before: %v", user, len(after), len(pending), err)
	}
	return nil
}

func readAll(s *embedded.Store, user protocol.UserID) ([]persistence.Pending, error) {
	pages := make([]persistence.Page, 1)
	r := persistence.ReadRequest{User: user, Count: 1 << 30, Bytes: 1 << 40}
	err := s.Read(context.Background(), []persistence.ReadRequest{r}, pages)
	return pages[0].Pending, errors.Join(err, pages[0].Err)
}

func TestStore_KilledLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	k := witness{acked: map[string][]uint64{}, confirmed: map[string]uint64{}}
	for range 5 {
		k.kill(t, "append", dir, time.Duration(20+rand.IntN(150))*time.Millisecond)
		if err := k.check(t, dir); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.acked) != writers*killUsers {
		t.Fatalf("only %d users were appended to", len(k.acked))
	}
}

// TestStore_KilledFindsLosses runs the same over children that are known to lose.
func TestStore_KilledFindsLosses(t *testing.T) {
	for _, child := range []string{"early", "memory"} {
		dir := t.TempDir()
		k := witness{acked: map[string][]uint64{}, confirmed: map[string]uint64{}}
		k.kill(t, child, dir, 100*time.Millisecond)
		if err := k.check(t, dir); err == nil || !strings.Contains(err.Error(), "acknowledged and is lost") {
			t.Errorf("%s: got %v, want a loss", child, err)
		}
	}
}
