package faults_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// site is a server that is killed and started again on the same store, each time on another port.
type site struct {
	*enigmatest.Server // the one that runs, or ran last

	t    testing.TB
	args []string
	addr atomic.Pointer[string]
}

// roomy are settings under which no quota is met by accident.
var roomy = []string{"--mailbox-messages", "10000000", "--mailbox-bytes", "4GiB"}

// newSite starts a server.
func newSite(t testing.TB, args ...string) *site {
	t.Helper()
	s := &site{t: t, args: args}
	s.start()
	return s
}

// start starts the server, again.
func (s *site) start() {
	s.t.Helper()
	s.Server = enigmatest.Start(s.t, s.args...)
	addr := s.Addr
	s.addr.Store(&addr)
}

// address is where the server is now. Any goroutine may ask.
func (s *site) address() string { return *s.addr.Load() }

// login logs n users in whose keys begin with name, and returns their ids.
func (s *site) login(name string, n int) []string {
	s.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.Login(fmt.Sprint(name, " ", i))
	}
	return ids
}
