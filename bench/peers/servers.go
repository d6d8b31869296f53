package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/bench/load"
)

// peer is a server to measure.
type peer struct {
	name    string
	program string
	args    func(dir string, port int) ([]string, error) // may write a configuration into dir
	dialect func(int) load.Dialect                       // nil for that of the profile
	profile string
}

// peers returns the servers, the floor first. bin is where programs were built.
func peers(bin string) []peer {
	address := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	enigma := func(dir string, port int) ([]string, error) {
		return []string{"serve", "--listen", address(port), "--admin", "off", "--store", filepath.Join(dir, "data"), "--log-level", "error"}, nil
	}
	mosquitto := func(dir string, port int) ([]string, error) {
		return withConfig(dir, "-c", fmt.Sprintf(mosquittoConfig, filepath.Join(dir, "socket"), port))
	}
	return []peer{
		{"floor", filepath.Join(bin, "floor"), func(_ string, port int) ([]string, error) {
			return []string{"--listen", address(port)}, nil
		}, nil, load.Plain},
		{"enigma", filepath.Join(bin, "enigma"), enigma, nil, load.Plain},
		{"enigma v1", filepath.Join(bin, "enigma"), enigma, nil, load.V1},
		{"nats", filepath.Join(bin, "nats-server"), func(dir string, port int) ([]string, error) {
			return withConfig(dir, "-c", fmt.Sprintf(natsConfig, port))
		}, func(int) load.Dialect { return &natsDialect{} }, load.Plain},
		{"mosquitto qos0", "mosquitto", mosquitto, func(int) load.Dialect { return &mqttDialect{} }, load.Plain},
		{"mosquitto qos1", "mosquitto", mosquitto, func(int) load.Dialect { return &mqttDialect{qos: 1} }, load.Plain},
	}
}

// Nothing in these is tuned but what would bound the load (queues) or write to a terminal.
const (
	natsConfig = `listen: "127.0.0.1:-1"
websocket { listen: "127.0.0.1:%d", no_tls: true }
`
	// The unix socket is there because version 2.0.11 does not start with WebSocket listeners alone.
	mosquittoConfig = `listener 0 %s
listener %d 127.0.0.1
protocol websockets
allow_anonymous true
user root
log_dest none
max_queued_messages 0
max_inflight_messages 0
`
)

func withConfig(dir, flag, text string) ([]string, error) {
	file := filepath.Join(dir, "config")
	return []string{flag, file}, os.WriteFile(file, []byte(text), 0o600)
}

// build builds what is built from source.
func build(bin string) error {
	for name, source := range map[string]string{
		"floor":       "github.com/enigma-protocol/enigma/bench/floor",
		"nats-server": "github.com/nats-io/nats-server/v2",
	} {
		if err := goBuild(".", filepath.Join(bin, name), source); err != nil {
			return err
		}
	}
	// In its own module, with the versions and in the way that it is released with.
	return goBuild("../..", filepath.Join(bin, "enigma"), "./cmd/enigma", "-pgo", "bench/enigma.pgo")
}

func goBuild(dir, out, source string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), source)...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", source, err, text)
	}
	return nil
}

// running is a server that was started.
type running struct {
	cmd    *exec.Cmd
	url    string
	dir    string
	exited chan struct{}
}

const startWithin = 20 * time.Second

// start starts a peer on a free port, and waits until it accepts connections.
func (p *peer) start(ctx context.Context) (*running, error) {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, err
	}
	s := &running{dir: dir, exited: make(chan struct{})}
	port, err := freePort()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	args, err := p.args(dir, port)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.cmd = exec.Command(p.program, args...)
	s.cmd.Dir = dir
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		_ = s.cmd.Wait() // that it ended is what matters
		close(s.exited)
	}()
	if err := s.await(ctx, port); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.name, err), s.stop())
	}
	return s, nil
}

// await waits until the server accepts connections.
func (s *running) await(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return nc.Close()
		}
		select {
		case <-s.exited:
			return fmt.Errorf("ended at once: %s", s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("does not accept connections: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and removes what it left.
func (s *running) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	return os.RemoveAll(s.dir)
}

// freePort finds a port. Another process may take it before it is used; then the start fails.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// raiseFileLimit lets the servers open as many files as the system grants: what a process has set itself, it hands on.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
