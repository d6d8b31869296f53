package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Broker is what the transport needs of the actor system; [actors.Broker] is one.
type Broker interface {
	Accounts
	// ShardFor returns the shard of a user, known or not.
	ShardFor(id protocol.UserID) *actors.Shard
	// Attach hands a conn to its user's actor. It is called on the goroutine of the user's shard. The conn is resumed
	// when it is attached, or closed with the reason.
	Attach(id protocol.UserID, conn actors.Conn, opts actors.AttachOptions) *actors.Link
}

// Accounts is the part of a [Broker] that answers HTTP requests. Its errors have a code by [actors.CodeOf].
type Accounts interface {
	// Login stores the key durably and returns its id.
	Login(ctx context.Context, key []byte) (protocol.UserID, error)
	// PublicKey returns the key of a user: CodeUserNotFound, CodeStoreUnavailable.
	PublicKey(ctx context.Context, id protocol.UserID) ([]byte, error)
	// KeyToProve is PublicKey for a user who is about to connect.
	KeyToProve(ctx context.Context, id protocol.UserID) ([]byte, error)
	// Ready says why no connection can be taken now.
	Ready(ctx context.Context) error
	// Limits are what GET /version announces.
	Limits() protocol.Limits
}

const (
	serverName = "enigma"

	// maxHead bounds the request line and headers. 16 KiB must be accepted; the rest fills the allocator's size class.
	maxHead = 18 << 10
	// maxBody bounds a request's body: a key of which every byte is written as an escape of six, and room around it.
	maxBody = 64 << 10
	// brokerTimeout bounds how long a request waits for the broker; the store's own deadlines are shorter.
	brokerTimeout = 5 * time.Second
	// shutdownTick is how often Shutdown looks whether the broker has ended.
	shutdownTick = 20 * time.Millisecond
	// shutdownGrace is how long the HTTP server has to notice that its connections were cut.
	shutdownGrace = 500 * time.Millisecond
)

// Server is the front end of a broker: HTTP requests, and WebSocket connections that it upgrades and hands to the shard
// of their user.
type Server struct {
	broker Broker
	opts   Options
	log    *slog.Logger
	http   *fasthttp.Server
	router *router.Router
	start  time.Time // origin of the times in logins

	unprotected, strangeHost sync.Once // of the warnings

	logins   rateTable
	counts   connCounts
	places   places
	crowded  spell // times in which there was no place
	starved  spell // times in which nothing could be accepted
	refusals refusals
	upgrades atomic.Uint32
	draining atomic.Bool // nothing new is taken
	stopping atomic.Bool // Shutdown was called
	meter    meter

	mu        sync.Mutex
	httpConns map[*httpConn]struct{}  // guarded by mu: connections that speak HTTP
	loops     map[*actors.Shard]*loop // guarded by mu
	conns     connSet
}

// New returns a server for the broker, or an error that says which option to change.
func New(broker Broker, options Options) (*Server, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		broker:    broker,
		opts:      opts,
		log:       opts.Log,
		start:     time.Now(),
		logins:    rateTable{rate: opts.RateLogins, young: map[netip.Addr]time.Duration{}},
		counts:    connCounts{limit: opts.MaxConnsPerIP, counts: map[netip.Addr]*connCount{}},
		httpConns: map[*httpConn]struct{}{},
		loops:     map[*actors.Shard]*loop{},
	}
	s.places.limit = int64(opts.MaxConns)
	s.crowded = spell{log: opts.Log, begin: "no room for more connections, they are refused (--max-conns)", end: "there is room for connections again"}
	s.starved = spell{log: opts.Log, begin: "connections cannot be accepted, they wait", end: "connections are accepted again"}
	s.router = s.routes()
	s.http = &fasthttp.Server{
		Name:               serverName,
		Handler:            s.handle,
		ErrorHandler:       s.parseError,
		HeaderReceived:     s.headRead,
		ReadBufferSize:     maxHead,
		MaxRequestBodySize: maxBody,
		ReadTimeout:        opts.ReadTimeout,
		IdleTimeout:        opts.IdleTimeout,
		WriteTimeout:       opts.WriteTimeout,
		Concurrency:        2 * opts.maxHTTPConns, // the listener refuses earlier, in JSON
		CloseOnShutdown:    true,
		KeepHijackedConns:  true,
		// Multipart forms would be written to disk before anyone asked for them.
		DisablePreParseMultipartForm: true,
		// What fasthttp says of a connection names its address and what it sent.
		SecureErrorLogMessage: true,
		Logger:                debugLogger{opts.Log},
	}
	return s, nil
}

// Handler serves a request. It is for a fasthttp server of the caller's own, which must set KeepHijackedConns, must not
// set ReduceMemoryUsage, and should set ReadBufferSize to 18 KiB or more, DisablePreParseMultipartForm, and ErrorHandler
// to [Server.ErrorHandler]. Connections are then counted from their upgrade on, and what that server makes of a request
// before it calls the handler, the cleaning of long paths and the memory of many header lines, has no bound of ours.
func (s *Server) Handler() fasthttp.RequestHandler { return s.handle }

// ErrorHandler answers requests that could not be read; see [Server.Handler].
func (s *Server) ErrorHandler() func(*fasthttp.RequestCtx, error) { return s.parseError }

// Serve accepts connections until [Server.Shutdown] and returns nil then. It may be called for several listeners; for
// TLS, give it one of [NewTLSListener].
func (s *Server) Serve(ln net.Listener) error {
	if s.stopping.Load() {
		ln.Close()
		return errClosed
	}
	if len(s.opts.PublicHosts) == 0 && !local(addrOf(ln.Addr())) {
		s.warnUnprotected()
	}
	return s.http.Serve(s.listen(ln))
}

var errClosed = errors.New("transport: server closed")

// Drain has the server refuse what is new, with 503, and say at /readyz that it is not ready. It goes on listening, so
// that clients are told; connections stay, but for those that are not attached yet. It is the first step of a planned
// end, before the broker closes the conns.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		l.shard.Post(turnAwayJob{l})
	}
}

// Shutdown drains, stops listening, waits for the requests under way and then for the conns to be gone. The broker
// closes those, so it is to be closed before or meanwhile. When ctx ends, all that is left is cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.stopping.Store(true)
	s.closeHTTP(func(c *httpConn) bool { return !c.used.Load() })
	err := errors.Join(s.stopHTTP(ctx), s.awaitConns(ctx))
	s.refusals.end()
	s.crowded.stop()
	s.starved.stop()
	if err != nil {
		s.cut()
	}
	return err
}

// stopHTTP stops the HTTP server. fasthttp looks only now and then whether it is done; so that this is not an error when
// ctx has ended already, which an earlier step of the program's end may have used up, it gets a moment more then.
func (s *Server) stopHTTP(ctx context.Context) error {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		s.closeHTTP(func(*httpConn) bool { return true })
		time.AfterFunc(shutdownGrace, cancel)
	})
	defer stop()
	return s.http.ShutdownWithContext(late)
}

// cut ends all conns without a word.
func (s *Server) cut() {
	s.conns.cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		if l.poll != nil {
			l.shard.Post(cutJob{l.poll, s}) // a shard that has stopped has closed its sockets
		}
	}
}

// awaitConns waits until all conns are gone.
func (s *Server) awaitConns(ctx context.Context) error {
	idle := s.conns.idle()
	tick := time.NewTicker(shutdownTick)
	defer tick.Stop()
	for {
		if s.orphaned() {
			s.conns.cut()
		}
		select {
		case <-idle:
			return nil
		default:
		}
		select {
		case <-idle:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// orphaned reports whether the shards have stopped, so that nobody is left who would end a conn.
func (s *Server) orphaned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loops {
		if !l.shard.Post(nothing{}) {
			return true
		}
	}
	return false
}

// nothing is a job that asks whether there is a shard.
type nothing struct{}

// Run implements [actors.Job].
func (nothing) Run() {}

// closeHTTP closes HTTP connections. fasthttp itself would wait five seconds for one that has sent nothing yet.
func (s *Server) closeHTTP(which func(*httpConn) bool) {
	s.mu.Lock()
	var list []*httpConn
	for c := range s.httpConns {
		if which(c) {
			list = append(list, c)
		}
	}
	s.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// counted counts the answer that a request was given.
func (s *Server) counted(ctx *fasthttp.RequestCtx) { s.meter.answered(ctx.Response.StatusCode()) }

// recovered answers a request whose handler panicked.
func (s *Server) recovered(ctx *fasthttp.RequestCtx) {
	fault := recover()
	if fault == nil {
		return
	}
	s.log.Error("panic in a request", "panic", fault, "stack", string(debug.Stack()))
	ctx.Response.Reset()
	s.cors(ctx)
	ctx.SetConnectionClose()
	fail(ctx, protocol.CodeInternal)
}

// debugLogger takes what fasthttp logs.
type debugLogger struct{ log *slog.Logger }

// Printf logs, at debug level, what fasthttp says, and not of what: its errors quote requests, with keys and ids in them.
func (l debugLogger) Printf(format string, _ ...any) {
	l.log.Debug("fasthttp", "format", format)
}
