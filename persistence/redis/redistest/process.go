package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds how long a server may take until it answers, on a loaded machine.
const startTimeout = 15 * time.Second

// Server is one Redis process. Its methods are for one goroutine at a time.
type Server struct {
	Addr string // 127.0.0.1:port, the same across restarts

	t      testing.TB
	binary string
	dir    string
	args   []string
	auth   []string // user and password, or password alone, for the server's own commands

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	log  *lockedBuffer // what it printed
}

// Start runs redis-server with an append-only file that is synced before every reply, no snapshots, and then args, which
// are options as on the command line ("--maxmemory", "10mb"). It is stopped when the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	defaults := []string{"--appendonly", "yes", "--appendfsync", "always", "--save", ""}
	return start(t, "redis-server", append(defaults, args...))
}

// start picks a port and runs the binary on it, with another port if that one was taken meanwhile.
func start(t testing.TB, binary string, args []string) *Server {
	t.Helper()
	path, err := exec.LookPath(binary)
	if err != nil {
		t.Fatalf("%s is needed by this test: install Redis 7 (Debian: apt-get install redis-server redis-sentinel)", binary)
	}
	for range 5 {
		s := &Server{t: t, binary: path, dir: t.TempDir(), args: args, auth: credentials(args)}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
		if binary == "redis-sentinel" { // it insists on a configuration file it can rewrite
			s.args = append([]string{sentinelFile(t, s.dir)}, args...)
		}
		if err = s.run(); err == nil {
			t.Cleanup(func() { s.Stop() })
			return s
		}
	}
	t.Fatalf("start %s: %v", binary, err)
	return nil
}

func sentinelFile(t testing.TB, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// credentials finds what the server's options demand of its own commands.
func credentials(args []string) []string {
	for i, arg := range args {
		if arg == "--requirepass" && i+1 < len(args) {
			return []string{args[i+1]}
		}
	}
	return nil
}

// run starts the process on the server's port and waits until it answers.
func (s *Server) run() error {
	host, port, _ := net.SplitHostPort(s.Addr)
	args := append([]string{}, s.args...)
	args = append(args, "--bind", host, "--port", port, "--dir", s.dir, "--daemonize", "no")
	s.log = new(lockedBuffer)
	s.cmd = exec.Command(s.binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = dieWithParent()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended is seen by what the test then finds
		close(done)
	}(s.cmd, s.done)
	return s.awaitReady()
}

// awaitReady polls until the server answers: it is another process, there is nothing to wait on.
func (s *Server) awaitReady() error {
	deadline := time.Now().Add(startTimeout)
	for time.Now().Before(deadline) {
		select {
		case <-s.done:
			return fmt.Errorf("ended at start: %s", s.log)
		default:
		}
		if answers(s.Addr) {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	s.kill()
	return fmt.Errorf("not ready after %v: %s", startTimeout, s.log)
}

// answers reports whether the server has loaded its data and takes commands, or asks for a password.
func answers(addr string) bool {
	_, err := roundTrip(addr, nil, []string{"PING"})
	var refused ReplyError
	if errors.As(err, &refused) {
		return refused.code() == "NOAUTH"
	}
	return err == nil
}

// Kill ends the process at once, as the kernel would: nothing that it has not handed to the kernel survives.
func (s *Server) Kill() {
	s.t.Helper()
	s.kill()
}

func (s *Server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.done
}

// Stop ends the process in an orderly way.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(5 * time.Second):
		s.kill()
	}
}

// Restart starts a killed or stopped server again on the same address and files. The args are added to those it had.
func (s *Server) Restart(args ...string) {
	s.t.Helper()
	select {
	case <-s.done:
	default:
		s.t.Fatal("redistest: Restart of a server that runs")
	}
	s.args = append(s.args, args...)
	if err := s.run(); err != nil {
		s.t.Fatalf("restart redis-server: %v", err)
	}
}

// Pause stops the process (SIGSTOP): connections stay open and nothing is answered.
func (s *Server) Pause() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatalf("pause redis-server: %v", err)
	}
}

// Resume lets a paused process go on; it first executes what was sent to it meanwhile.
func (s *Server) Resume() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatalf("resume redis-server: %v", err)
	}
}

// URL is the server's redis:// address, without credentials.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Do sends one command on a connection of its own and returns the reply: a string, an int64, a []any or nil. An error
// reply fails the test.
func (s *Server) Do(args ...string) any {
	s.t.Helper()
	reply, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redis %s: %v", args[0], err)
	}
	return reply
}

// Try is Do that returns the error: a [ReplyError] if the server answered one.
func (s *Server) Try(args ...string) (any, error) {
	return roundTrip(s.Addr, s.auth, args)
}

// port range for servers: below the kernel's ephemeral ports, so that no outgoing connection takes one between a
// server's death and its restart.
const firstPort, lastPort = 20000, 32000

var ports struct {
	sync.Mutex
	next int
}

// freePort returns a port on which nothing listens now.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 { // test binaries run side by side: start at different places
		ports.next = firstPort + os.Getpid()*37%(lastPort-firstPort)
	}
	for range lastPort - firstPort {
		port := ports.next
		if ports.next++; ports.next == lastPort {
			ports.next = firstPort
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("redistest: no free port")
	return 0
}

// lockedBuffer collects a process's output while the test may read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
