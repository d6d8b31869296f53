package enigmatest

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Metric reads one number from /metrics. A name with labels is written as it stands there; one that was never used is 0.
func (s *Server) Metric(name string) float64 {
	s.t.Helper()
	resp, err := s.client.Get("http://" + s.Admin + "/metrics")
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
	if !strings.Contains(name, "{") {
		s.t.Fatalf("no metric is called %s", name)
	}
	return 0
}

// Memory returns the resident memory of the process in MiB.
func (s *Server) Memory() float64 {
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

// WatchMemory looks at the memory of the process now and then until stop is called, which returns the most it saw.
func (s *Server) WatchMemory() (stop func() float64) { return s.Watch(s.Memory) }

// Watch looks at a number now and then until stop is called, which returns the highest that it saw.
func (s *Server) Watch(number func() float64) (stop func() float64) {
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
				top = max(top, number())
			}
		}
	}()
	return func() float64 {
		close(quit)
		return <-most
	}
}

// OpenFiles returns how many files the process has open, sockets counted.
func (s *Server) OpenFiles() int {
	s.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(entries)
}
