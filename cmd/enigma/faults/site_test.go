package faults_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// metric reads one number from /metrics. A name with labels is written as it stands there.
func (s *site) metric(name string) float64 {
	s.t.Helper()
	resp, err := (&http.Client{Timeout: within}).Get("http://" + s.Admin + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				s.t.Fatalf("%s: %v", lines.Text(), err)
			}
			return n
		}
	}
	if strings.Contains(name, "{") {
		return 0 // a label that was never used
	}
	s.t.Fatalf("no metric is called %s", name)
	return 0
}

// memory returns the resident memory of the process in MiB.
func (s *site) memory() float64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				s.t.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	s.t.Fatal("the process has no VmRSS: it has ended")
	return 0
}

// watchMemory looks at the memory of the process now and then until stop is called, which returns the most it saw.
func (s *site) watchMemory() (stop func() float64) {
	quit, most := make(chan struct{}), make(chan float64)
	go func() {
		top := 0.0
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				most <- top
				return
			case <-tick.C:
				top = max(top, s.memory())
			}
		}
	}()
	return func() float64 {
		close(quit)
		return <-most
	}
}
