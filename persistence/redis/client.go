package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// sentinelPoll is how often the sentinels are asked for the master, lest a missed announcement bind us to the old one.
const sentinelPoll = 2 * time.Second

// clusterPoll is how often the cluster's layout is read, besides after every redirect and broken connection.
const clusterPoll = 10 * time.Second

// newClient connects. Each option beside the plain ones keeps a promise:
//
//   - one connection per node (PipelineMultiplex), because calls in flight on several have no order among them;
//   - no retries and no ConnLifetime, because both send a write twice;
//   - no client-side cache, because it would cost memory and Redis tracking for nothing;
//   - redirects are bounded, so that a misconfigured cluster fails instead of spinning until the deadline.
func newClient(t *target, opts *Options) (rueidis.Client, error) {
	dialer := net.Dialer{Timeout: opts.DialTimeout, KeepAlive: time.Second}
	return rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       t.addrs,
		Username:          t.user,
		Password:          t.pass,
		SelectDB:          t.db,
		TLSConfig:         t.tls,
		Dialer:            dialer,
		DialCtxFn:         dial,
		ConnWriteTimeout:  opts.CallTimeout,
		PipelineMultiplex: -1,
		BlockingPoolSize:  8,
		DisableRetry:      true,
		DisableCache:      true,
		ClientName:        "enigma",
		ClusterOption: rueidis.ClusterOption{
			MaxMovedRedirections:  16,
			ShardsRefreshInterval: clusterPoll,
		},
		Sentinel: rueidis.SentinelOption{
			MasterSet: t.master, Username: t.sentinelUser, Password: t.sentinelPass,
			Dialer: dialer, TLSConfig: t.tls, TopologyRefreshInterval: sentinelPoll,
		},
	})
}

// dial connects, and marks all errors up to the first command as errors after which nothing has happened.
func dial(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialer.Timeout) // the TLS handshake included
	defer cancel()
	var conn net.Conn
	var err error
	if config != nil {
		d := tls.Dialer{NetDialer: dialer, Config: config}
		conn, err = d.DialContext(ctx, "tcp", addr)
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, &notSentError{err}
	}
	return &trackedConn{Conn: conn}, nil
}

// notSentError is a failure to connect: no command of ours has been sent. It does not unwrap, because the client
// replaces a deadline error that it recognises by a context's error, and then it could not be told from a lost reply.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }

// trackedConn knows whether anything but the client's handshake was ever written to it.
type trackedConn struct {
	net.Conn
	used atomic.Bool
}

func (c *trackedConn) Write(b []byte) (int, error) {
	if !c.used.Load() && !isHandshake(b) {
		c.used.Store(true)
	}
	n, err := c.Conn.Write(b)
	return n, c.mark(err)
}

func (c *trackedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.mark(err)
}

func (c *trackedConn) mark(err error) error {
	if err == nil || c.used.Load() {
		return err
	}
	return &notSentError{err}
}

// isHandshake reports whether a write is one of the client's own at the start of a connection: it begins with HELLO,
// or with AUTH on servers that do not know HELLO, and never shares a write with other commands.
func isHandshake(b []byte) bool {
	_, rest, _ := bytes.Cut(b, []byte("\r\n")) // behind the number of arguments
	return bytes.HasPrefix(rest, []byte("$5\r\nHELLO\r\n")) || bytes.HasPrefix(rest, []byte("$4\r\nAUTH\r\n"))
}
