package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestTop_WatchesARunningServer(t *testing.T) {
	s := enigmatest.Start(t, "--store", "memory")
	alice, bob := s.Login("alice"), s.Login("bob")
	a, b := s.Connect(alice), s.Connect(bob)
	screen := openTerminal(t, "top", 80, 24, "ENIGMA_ADMIN="+s.Admin, "ENIGMA_INTERVAL=100ms")
	screen.await(`enigma ` + regexp.QuoteMeta(s.Admin) + `.* up .*● live`)
	screen.await(`connections +2  `)
	screen.await(`messages in +0/s`)
	a.Send(bob, "x")
	b.Expect()
	screen.await(`delivered +\S+/s  .*█`)
	r := enigmatest.Run(t, nil, "top", "--once", "--admin", s.Admin, "--interval", "50ms")
	if r.Status != 0 || !regexp.MustCompile(`(?m)^connections +2$`).MatchString(r.Stdout) {
		t.Errorf("once: %s", r)
	}
	s.Stop()
	screen.await(`no answer`)
	screen.await(`no server answers at`)
	screen.keys("q")
	screen.await(`ended with 0`)
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"top", "--once", "--admin", s.Admin}, 1, "no server answers"},
		{[]string{"top", "--admin", s.Admin}, 1, "top --once"},
		{[]string{"top", "--admin", "off"}, 2, "cannot be watched"},
		{[]string{"top", "x"}, 2, "settings only"},
	} {
		if r := enigmatest.Run(t, nil, c.args...); r.Status != c.status || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("%v: %s", c.args, r)
		}
	}
}
