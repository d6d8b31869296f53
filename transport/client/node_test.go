package client_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/client"
)

// node is the real server, with a store that outlives it.
type node struct {
	store  actors.Store
	addr   string
	broker *actors.Broker
	server *transport.Server
	served chan error
}

var quota = persistence.Quota{Messages: 100_000, Bytes: 1 << 30}

// newNode starts a server on a store in memory. It ends with the test.
func newNode(t testing.TB) *node {
	n := &node{store: storetest.NewMemory(quota), addr: "127.0.0.1:0"}
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
	})
	return n
}

func (n *node) url() string { return "http://" + n.addr }

// start starts the server, on the same address as before.
func (n *node) start() (err error) {
	log := slog.New(slog.DiscardHandler)
	if n.broker, err = actors.New(actors.WithStore(n.store), actors.WithLogger(log)); err != nil {
		return err
	}
	if n.server, err = transport.New(n.broker, transport.Options{RateMessages: -1, Log: log}); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", n.addr)
	if err != nil {
		return err
	}
	n.addr = ln.Addr().String()
	n.served = make(chan error, 1)
	go func(s *transport.Server, served chan error) { served <- s.Serve(ln) }(n.server, n.served)
	return nil
}

// stop ends the server as a program does that is asked to.
func (n *node) stop() error {
	n.server.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.broker.Shutdown(ctx); err != nil {
		return err
	}
	if err := n.server.Shutdown(ctx); err != nil {
		return err
	}
	return <-n.served
}

// childEnv names the store of a server that runs in a process of its own, and childAddr where it listens.
const (
	childEnv  = "ENIGMA_CLIENT_TEST_STORE"
	childAddr = "ENIGMA_CLIENT_TEST_ADDR"
)

// runChild is the main function of that process. It ends by being killed, or when its parent is gone.
func runChild(dir string) error {
	store, err := embedded.Open(dir, embedded.Options{Quota: quota, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	n := &node{store: store, addr: os.Getenv(childAddr)}
	if err := n.start(); err != nil {
		return err
	}
	os.Stdout.WriteString(n.addr + "\n")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// child is a server in another process, to be killed.
type child struct {
	t    testing.TB
	dir  string
	addr string
	cmd  *exec.Cmd
	in   io.Closer
}

func newChild(t testing.TB) *child {
	c := &child{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	c.start()
	t.Cleanup(c.kill)
	return c
}

func (c *child) start() {
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), childEnv+"="+c.dir, childAddr+"="+c.addr)
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.in = in
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.t.Fatalf("the server in the other process did not start: %v", err)
	}
	c.addr = line[:len(line)-1]
}

// kill gives the server no time for anything.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait() // its error is that it was killed
	c.in.Close()
}

// breaker dials, and resets at random what it dialled.
type breaker struct {
	mu    sync.Mutex
	conns []*net.TCPConn
}

func (b *breaker) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, c.(*net.TCPConn))
	return c, nil
}

// breakAll cuts all that is open: half of them with a reset, half with an end.
func (b *breaker) breakAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		if rand.IntN(2) == 0 {
			c.SetLinger(0)
		}
		c.Close()
	}
	b.conns = nil
}

func (b *breaker) option() client.Option { return client.WithDialer(b.dial) }

// impatient has a client come back at once.
func impatient() client.Option { return client.WithBackoff(time.Millisecond, 20*time.Millisecond) }
