package enigmatest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The patience of this package. All are far above what is needed on a loaded machine, and reached only by a failure.
const (
	startWithin = 30 * time.Second
	stopWithin  = 30 * time.Second
	replyWithin = 20 * time.Second
)

// Server is a running `enigma serve`.
type Server struct {
	Scheme string // "http" or "https"
	Addr   string // host:port of the front end
	Admin  string // host:port of the admin listener; empty with --admin off

	t        testing.TB
	client   *http.Client // believes whatever certificate the server shows
	adminOff bool

	cmd  *exec.Cmd
	out  capture
	log  capture
	done chan struct{} // closed when the process has ended
	want int           // exit status that is right, or anyStatus
}

// anyStatus stands for "however it ends": the test kills or breaks the server.
const anyStatus = -1

// Start runs `enigma serve` with args ("--name", "value") and waits until it serves. What args leave open is chosen for
// tests: free ports on loopback, a store in a directory of the test's own. The server ends with the test, and must end
// with status 0.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, nil, args)
}

// StartWithFiles is Start for a server that may open no more than so many files.
func StartWithFiles(t testing.TB, files int, args ...string) *Server {
	t.Helper()
	return start(t, []string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)}, args)
}

// start starts the program, by the command before its own if there is one.
func start(t testing.TB, before, args []string) *Server {
	t.Helper()
	for _, name := range []string{"--listen", "--admin", "--store"} {
		if slices.Contains(args, name) {
			continue
		}
		value := "127.0.0.1:0"
		if name == "--store" {
			value = filepath.Join(t.TempDir(), "data") // the server makes it, for itself alone
		}
		args = append([]string{name, value}, args...)
	}
	s := &Server{t: t, done: make(chan struct{}), adminOff: args[slices.Index(args, "--admin")+1] == "off"}
	s.cmd = command(t, append([]string{"serve"}, args...)...)
	if len(before) > 0 {
		s.cmd.Path, s.cmd.Args = before[0], slices.Concat(before, s.cmd.Args)
	}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the status is in ProcessState
		close(s.done)
	}()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	s.client = &http.Client{Transport: transport, Timeout: replyWithin}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.cleanup()
	})
	s.awaitGreeting()
	return s
}

// command is the program with an environment that no ENIGMA_ variable of the caller reaches.
func command(t testing.TB, args ...string) *exec.Cmd {
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "ENIGMA_") })
	// A race ends the program at once instead of being one line among many; without one its end need not wait.
	cmd.Env = append(cmd.Env, "GORACE=halt_on_error=1 atexit_sleep_ms=0")
	cmd.SysProcAttr = orphans()
	return cmd
}

// What serve prints: the address of the front end in the first line, that of the admin listener in the last.
var (
	firstLine = regexp.MustCompile(`^listening on (https?)://(\S+)\n`)
	adminLine = regexp.MustCompile(`curl http://(\S+)/metrics\n`)
)

// awaitGreeting reads the addresses from what the program prints.
func (s *Server) awaitGreeting() {
	s.t.Helper()
	deadline := time.NewTimer(startWithin)
	defer deadline.Stop()
	for {
		text, grown := s.out.read()
		first := firstLine.FindStringSubmatch(text)
		admin := adminLine.FindStringSubmatch(text)
		if first != nil && (admin != nil || s.adminOff) {
			s.Scheme, s.Addr = first[1], first[2]
			if admin != nil {
				s.Admin = admin[1]
			}
			return
		}
		select {
		case <-grown:
		case <-s.done:
			s.want = anyStatus
			s.t.Fatalf("the server did not start: %s\n%s", s.cmd.ProcessState, s.Log())
		case <-deadline.C:
			s.t.Fatalf("the server has not greeted in %s:\n%s%s", startWithin, text, s.Log())
		}
	}
}

// cleanup ends the server with the test and judges its end.
func (s *Server) cleanup() {
	select {
	case <-s.done:
	default:
		if s.t.Failed() {
			s.t.Logf("metrics of the server on %s:\n%s", s.Addr, s.counters())
		}
		s.Signal(syscall.SIGTERM)
		s.Wait()
	}
	status := s.cmd.ProcessState.ExitCode()
	if s.want != anyStatus && status != s.want {
		s.t.Errorf("the server ended with %s, want exit status %d", s.cmd.ProcessState, s.want)
	}
	log := s.Log()
	for _, sign := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if strings.Contains(log, sign) {
			s.t.Errorf("%q in the server's log", sign)
		}
	}
	if s.t.Failed() {
		s.t.Logf("log of the server on %s:\n%s", s.Addr, log)
	}
}

// counters returns what /metrics says of the broker, without what is zero: where messages went when a test failed.
func (s *Server) counters() string {
	if s.Admin == "" {
		return "(no admin listener)"
	}
	resp, err := s.client.Get("http://" + s.Admin + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var out strings.Builder
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "enigma_") && !strings.HasSuffix(line, " 0") && !strings.Contains(line, "_bucket{") {
			fmt.Fprintln(&out, line)
		}
	}
	return out.String()
}

// URL is the address of a path on the front end.
func (s *Server) URL(path string) string { return s.Scheme + "://" + s.Addr + path }

// Log is what the server has written to stderr so far.
func (s *Server) Log() string {
	text, _ := s.log.read()
	return text
}

// Output is what the server has written to stdout so far.
func (s *Server) Output() string {
	text, _ := s.out.read()
	return text
}

// AwaitLog waits until the log holds text.
func (s *Server) AwaitLog(text string) {
	s.t.Helper()
	deadline := time.NewTimer(replyWithin)
	defer deadline.Stop()
	for {
		log, grown := s.log.read()
		if strings.Contains(log, text) {
			return
		}
		select {
		case <-grown:
		case <-s.done:
			if !strings.Contains(s.Log(), text) {
				s.t.Fatalf("the server ended without logging %q:\n%s", text, s.Log())
			}
		case <-deadline.C:
			s.t.Fatalf("%q is not in the log:\n%s", text, log)
		}
	}
}

// Pid is the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Signal sends a signal; a process that has ended gets none.
func (s *Server) Signal(sig os.Signal) { _ = s.cmd.Process.Signal(sig) }

// Wait waits for the end of the process and returns its exit status, -1 after a kill.
func (s *Server) Wait() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(stopWithin):
		s.Signal(syscall.SIGABRT) // the stacks show what it waits for
		<-s.done
		s.t.Fatalf("the server has not ended in %s:\n%s", stopWithin, s.Log())
	}
	return s.cmd.ProcessState.ExitCode()
}

// Stop ends the server in order and returns its exit status. The caller judges the status.
func (s *Server) Stop() int {
	s.t.Helper()
	s.want = anyStatus
	s.Signal(syscall.SIGTERM)
	return s.Wait()
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	s.t.Helper()
	s.want = anyStatus
	s.Signal(syscall.SIGKILL)
	s.Wait()
}

// ExpectStatus says that the server will end with this status by itself or by a signal that the test sends.
func (s *Server) ExpectStatus(status int) { s.want = status }

// Result is what a run of the program left.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run runs the program to its end, with environ ("NAME=value") added to its environment.
func Run(t testing.TB, environ []string, args ...string) Result {
	t.Helper()
	cmd := command(t, args...)
	cmd.Env = append(cmd.Env, environ...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(startWithin, func() { _ = cmd.Process.Signal(syscall.SIGABRT) })
	_ = cmd.Wait() // the status is in ProcessState
	if !late.Stop() {
		t.Fatalf("enigma %s has not ended in %s:\n%s", strings.Join(args, " "), startWithin, log.String())
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), log.String()}
}

// String shows a result in a failure.
func (r Result) String() string {
	return fmt.Sprintf("exit status %d\nstdout:\n%sstderr:\n%s", r.Status, r.Stdout, r.Stderr)
}

// capture keeps what a process writes and tells when there is more.
type capture struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed at the next write
}

// Write implements io.Writer.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grown != nil {
		close(c.grown)
		c.grown = nil
	}
	return c.text.Write(p)
}

// read returns all that was written, and a channel that is closed when there is more.
func (c *capture) read() (string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grown == nil {
		c.grown = make(chan struct{})
	}
	return c.text.String(), c.grown
}
