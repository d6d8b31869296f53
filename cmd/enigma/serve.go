package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport"
)

// openWithin bounds the opening of the store: a Redis that does not answer, a recovery that takes long.
const openWithin = time.Minute

// server is a running `enigma serve`. Its parts stand in the order in which they are made; they end in reverse.
type server struct {
	cfg   *Config
	log   *slog.Logger
	files openFiles

	front net.Listener
	side  net.Listener // of admin; nil for off
	cert  *certificate // nil without TLS

	store     actors.Store
	broker    *actors.Broker
	transport *transport.Server
	admin     *admin.Server // nil for off

	failed   chan error  // what ends the server unasked; buffered, so that nobody waits to report
	stopping atomic.Bool // /readyz says so
}

func serveCommand() *command {
	return &command{
		name:     "serve",
		args:     "[SETTINGS]",
		summary:  "run the server",
		about:    "Runs the server until SIGTERM or SIGINT; a second one ends it at once.\nExit status: 0 after a clean stop, 2 for a wrong configuration, 1 otherwise.",
		settings: func() settings.Table { return new(Config).table() },
		run:      serve,
	}
}

// serve runs a server from its configuration to its end.
func serve(sys *system, args []string) error {
	cfg, warnings, err := loadConfig(sys, args)
	if err != nil {
		return err
	}
	log := newLogger(sys.err, cfg)
	for _, warning := range warnings {
		log.Warn(warning)
	}
	files := raiseFileLimit(log)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	s := &server{cfg: cfg, log: log, files: files, failed: make(chan error, 4)}
	if err := s.start(); err != nil {
		s.close()
		return err
	}
	if err := greet(sys.out, s.scheme(), s.cfg.Auth, s.front, s.side); err != nil {
		log.Warn("stdout takes nothing", "error", err) // who started it without one knows the address
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	collectLater(ctx)
	go freeWhenQuiet(ctx, s.store)
	log.Info("started", "version", buildVersion(), "store", cfg.Store.String(), "memory", settings.FormatSize(cfg.Memory>>20<<20))
	return s.run(signals)
}

// newLogger makes the log that everything writes to.
func newLogger(w io.Writer, cfg *Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (s *server) scheme() string {
	if s.cert != nil {
		return "https"
	}
	return "http"
}

// start makes all parts. What can be wrong with the machine (addresses, files) is found before the store is touched.
func (s *server) start() (err error) {
	if s.cfg.TLSCert != "" {
		if s.cert, err = loadCertificate(s.cfg.TLSCert, s.cfg.TLSKey, s.log); err != nil {
			return usageError{err}
		}
	}
	if s.front, err = listen("listen", s.cfg.Listen); err != nil {
		return err
	}
	if s.cfg.Admin != "" {
		if s.side, err = listen("admin", s.cfg.Admin); err != nil {
			return err
		}
		if !isLoopback(s.side) {
			s.log.Warn("the admin listener is reached from other machines: whoever can connect to it reads metrics, and profiles of what is in memory")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	if s.store, err = openStore(ctx, s.cfg, s.files.store(), s.log, s.storeFailed); err != nil {
		return err
	}
	if s.broker, err = actors.New(s.brokerOptions()...); err != nil {
		return err
	}
	if s.transport, err = transport.New(s.broker, s.transportOptions()); err != nil {
		return err
	}
	s.serveFront()
	if s.side != nil {
		s.serveAdmin()
	}
	return nil
}

// serveFront runs the front end in a goroutine that ends when the listener is closed.
func (s *server) serveFront() {
	l := s.front
	if s.cert != nil {
		l = transport.NewTLSListener(l, s.cert.config())
	}
	go func() {
		if err := s.transport.Serve(l); err != nil && !s.stopping.Load() {
			s.failed <- fmt.Errorf("front end: %w", err)
		}
	}()
}

// serveAdmin runs the admin server in a goroutine that ends when it is closed.
func (s *server) serveAdmin() {
	stats := func() admin.Stats { return admin.Stats{Broker: s.broker.Stats(), Front: s.transport.Stats()} }
	s.admin = admin.New(admin.Options{
		Metrics: admin.Registry(stats, buildVersion()),
		Ready:   s.ready,
		Local:   isLoopback(s.side),
		Hosts:   s.cfg.AdminHosts,
		Log:     s.log,
	})
	go func() {
		if err := s.admin.Serve(s.side); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("admin: %w", err)
		}
	}()
}

// storeFailed is called by a store that will not recover while this process lives.
func (s *server) storeFailed(err error) {
	s.failed <- fmt.Errorf("the store failed for good: %w", err)
}

// ready tells why this node should be sent no users, or nil. The store's own words stay in the log.
func (s *server) ready(ctx context.Context) error {
	if s.stopping.Load() {
		return errors.New("stopping")
	}
	if err := s.broker.Ready(ctx); err != nil {
		return errors.New("the store does not answer")
	}
	return nil
}

// run waits for what ends the server and ends it. The error is why the exit status is not 0.
func (s *server) run(signals <-chan os.Signal) error {
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				s.hangUp()
				continue
			}
			s.log.Info("stopping", "signal", sig.String(), "within", s.cfg.ShutdownTimeout.String())
			go s.exitOnSecond(signals)
			return s.stop()
		case err := <-s.failed:
			s.log.Error("stopping", "error", err)
			go s.exitOnSecond(signals)
			return errors.Join(err, s.stop())
		}
	}
}

// hangUp reads again what can be read again.
func (s *server) hangUp() {
	if s.cert != nil {
		s.cert.reload()
	}
}

// exitOnSecond ends the process at once when a signal comes during the orderly stop.
func (s *server) exitOnSecond(signals <-chan os.Signal) {
	for sig := range signals {
		if sig != syscall.SIGHUP {
			s.log.Error("second signal, exiting at once: what was not stored is lost", "signal", sig.String())
			os.Exit(exitFailed)
		}
	}
}

// stop ends the server in order: nobody new, then conns and what is unconfirmed, then the listener, then the store.
func (s *server) stop() error {
	s.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	var errs []error
	s.transport.Drain()
	if err := s.broker.Shutdown(ctx); err != nil {
		errs = append(errs, err)
	}
	if err := s.transport.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("front end: %w", err))
	}
	if err := s.store.Close(); err != nil {
		errs = append(errs, fmt.Errorf("store: %w", err))
	}
	if s.admin != nil {
		// Last, so that a stop that takes long can be looked into. A profile that is being taken is cut off.
		_ = s.admin.Close()
	}
	err := errors.Join(errs...)
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// close frees what a start that failed had taken.
func (s *server) close() {
	if s.broker != nil {
		_ = s.broker.Shutdown(context.Background()) // nobody has connected
	}
	for _, l := range []net.Listener{s.front, s.side} {
		if l != nil {
			_ = l.Close()
		}
	}
	if s.store != nil {
		_ = s.store.Close()
	}
}
