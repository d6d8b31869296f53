package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// slotOf is the slot of a user's keys.
func slotOf(c *redistest.Cluster, name string) int { return c.Slot("{" + user(name).String() + "}") }

// ownedBy finds a user whose keys a server has.
func ownedBy(c *redistest.Cluster, server int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("user", i); c.Owner(slotOf(c, name)) == server {
			return name
		}
	}
}

func TestCluster_MasterThatIsDownFailsItsOwnUsersOnly(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3)
	s := start(t, c.URL(), redis.Options{})
	var batch []persistence.Pending
	for i := range 60 {
		batch = append(batch, mail(fmt.Sprint("user", i), 1, 2)...)
	}
	s.keep(batch...)
	c.Servers[1].Kill()
	for round := uint64(2); round < 5; round++ {
		batch = batch[:0]
		for i := range 60 {
			batch = append(batch, mail(fmt.Sprint("user", i), round*2-1, round*2)...)
		}
		for i, err := range s.try(batch...) {
			name := fmt.Sprint("user", i/2)
			if down := c.Owner(slotOf(c, name)) == 1; !down && err != nil || down && !failed(err) {
				t.Fatalf("round %d: append to %s, whose master is down %v: %v", round, name, down, err)
			}
		}
	}
	up, down := ownedBy(c, 0), ownedBy(c, 1)
	s.has(up, 1, 8)
	s.confirm(up, 3)
	s.expect("read", s.page(persistence.ReadRequest{User: user(down), Count: 1, Bytes: 1}).Err, persistence.ErrUnavailable)
	if n, err := s.Expire(context.Background(), later, 5); n != 5 {
		t.Fatalf("expire with a master down: %d, %v", n, err)
	}
	c.Servers[1].Restart()
	s.keepAtLast(mail(down, 1, 8)...)
	s.has(down, 1, 8)
}

// failed reports whether an error is one of a store that is out of reach.
func failed(err error) bool {
	return errors.Is(err, persistence.ErrUnavailable) || errors.Is(err, persistence.ErrUnknownOutcome)
}

func TestCluster_SlotWithoutANodeFailsItsOwnUsersOnly(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, unsynced...)
	for _, server := range c.Servers {
		server.Do("CLUSTER", "DELSLOTS", strconv.Itoa(slotOf(c, "user7")))
	}
	s := start(t, c.URL(), redis.Options{})
	var batch []persistence.Pending
	for i := range 20 {
		batch = append(batch, mail(fmt.Sprint("user", i), 1, 1)...)
	}
	for i, err := range s.try(batch...) {
		var want error
		if i == 7 {
			want = persistence.ErrUnavailable
		}
		s.expect(fmt.Sprint("append to user", i), err, want)
	}
}

// TestCluster_ReshardingKeepsEveryEnvelopeInOrder moves a user's slot to and fro while mail comes in.
func TestCluster_ReshardingKeepsEveryEnvelopeInOrder(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, unsynced...)
	s := start(t, c.URL(), redis.Options{})
	other := start(t, c.URL(), redis.Options{})
	slot := slotOf(c, "bob")
	home := c.Owner(slot)
	s.keep(identified(mail("bob", 1, 10))...)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	next := uint64(11)
	writer.Go(func() {
		for ; ; next++ {
			select {
			case <-stop:
				return
			default:
				s.keepAtLast(identified(mail("bob", next, next))...)
			}
		}
	})
	for move := range 4 {
		from, to := home, (home+1)%3
		if move%2 == 1 {
			from, to = to, from
		}
		c.Move(slot, from, to, func() {
			// Half the user's keys are on either side: an append either waits or is done right, and nobody else minds.
			if err := other.try(mail("carol", uint64(move+1), uint64(move+1))...)[0]; err != nil {
				t.Errorf("append to another user: %v", err)
			}
			time.Sleep(20 * time.Millisecond) // let the writer meet this state
		})
	}
	close(stop)
	writer.Wait()
	s.has("bob", 1, next-1)
	other.has("bob", 1, next-1)
	other.confirm("bob", next-2)
	s.has("bob", next-1, next-1)
}

func TestCluster_ExpireReachesAllMasters(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, unsynced...)
	s := start(t, c.URL(), redis.Options{})
	var batch []persistence.Pending
	for i := range 90 {
		batch = append(batch, mail(fmt.Sprint("user", i), 1, 1)...)
	}
	s.keep(batch...)
	total := 0
	for range 4 {
		n, err := s.Expire(context.Background(), later, 25)
		if err != nil || n > 25 {
			t.Fatalf("expire: %d, %v", n, err)
		}
		total += n
	}
	if total != 90 {
		t.Fatalf("%d expired, want 90", total)
	}
}

func TestCluster_OneAddressIsEnoughToFindIt(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, unsynced...)
	s := start(t, c.Servers[2].URL(), redis.Options{})
	var batch []persistence.Pending
	for i := range 20 {
		batch = append(batch, mail(fmt.Sprint("user", i), 1, 1)...)
	}
	s.keep(batch...)
}
