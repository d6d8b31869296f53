package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// Options are what the URL does not say. The zero value is usable.
type Options struct {
	Quota       persistence.Quota // of every mailbox
	Logger      *slog.Logger      // slog.Default() if nil
	CallTimeout time.Duration     // bounds every call, besides its context; 5 s if zero
	DialTimeout time.Duration     // bounds a connection's start, TLS and login included; 1 s if zero
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 5 * time.Second
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = time.Second
	}
}

// Store keeps keys and undelivered envelopes in Redis. It satisfies actors.Store; all its methods but Close may be
// called concurrently.
type Store struct {
	client    rueidis.Client
	clustered bool
	log       *slog.Logger
	quota     [2]string // messages and bytes, as arguments
	timeout   time.Duration
	prefix    string

	plain   atomic.Bool // call by EVALSHA: the server has no functions, or does not let us use them
	loading sync.Mutex  // one load of the functions at a time
	bare    atomic.Bool // the last load failed, and the log has said so

	cursors   sync.Mutex        // held during Expire
	positions map[string]uint64 // where Expire's scan of each master stands, by address
}

// Open connects to the Redis that rawURL names, checks how durable it is and logs a warning for each way in which it
// promises less than the broker does, and gives it the functions. See the package comment for the URL. It fails with
// persistence.ErrUnavailable if the server cannot be reached; a URL that is wrong fails otherwise. No error and no log
// line holds the URL's credentials.
func Open(ctx context.Context, rawURL string, opts Options) (*Store, error) {
	t, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	opts.setDefaults()
	client, err := newClient(t, &opts)
	if err != nil {
		return nil, openError(t, err)
	}
	s := &Store{
		client:    client,
		clustered: client.Mode() == rueidis.ClientModeCluster,
		log:       opts.Logger,
		quota:     [2]string{decimal(opts.Quota.Messages), decimal(opts.Quota.Bytes)},
		timeout:   opts.CallTimeout,
		prefix:    t.prefix,
		positions: make(map[string]uint64),
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		client.Close()
		return nil, err
	}
	s.warn(ctx, t)
	return s, nil
}

func openError(t *target, err error) error {
	if t.cluster() && isClusterDisabled(err) {
		return fmt.Errorf("open redis: several hosts mean a cluster, and this server is not part of one: %w", err)
	}
	return failure("open redis", false, err)
}

// prepare gives the servers the functions and tries one of them.
func (s *Store) prepare(ctx context.Context) error {
	loadErr := s.load(ctx)
	_, err := s.Ceiling(ctx, 0)
	if err != nil && !s.plain.Load() && forbidden(refusal(err)) {
		s.plain.Store(true) // functions exist, but calling them is forbidden
		_, err = s.Ceiling(ctx, 0)
	}
	if err != nil {
		return fmt.Errorf("open redis: %w", errors.Join(err, loadErr))
	}
	return nil
}

// load gives all masters the functions, or notes that they take none. It replaces what they have by that name: another
// user of the server may have put code of its own there, to have it run with our rights. Its error tells of nodes that did not get them;
// what is then still missing is answered to the call that needs it.
func (s *Store) load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	var failed error
	for addr, node := range s.client.Nodes() {
		err := node.Do(ctx, node.B().FunctionLoad().Replace().FunctionCode(library).Build()).Error()
		switch text := refusal(err); {
		case forbidden(text):
			if !s.plain.Swap(true) {
				s.log.Info("redis has no functions or forbids them, scripts are used instead", "addr", addr)
			}
		case strings.HasPrefix(text, "READONLY"):
			// As good as success. A replica has the functions from its master.
		case err != nil:
			failed = fmt.Errorf("load functions on %s: %w", addr, err)
		}
	}
	return failed
}

// begin starts a call: it fails if the context has ended, and bounds it otherwise. Nothing may wait for ever.
func (s *Store) begin(ctx context.Context, doing string) (context.Context, context.CancelFunc, error) {
	if err := unmade(ctx); err != nil {
		return nil, nil, failure(doing, false, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	return ctx, cancel, nil
}

// Ping reports whether the store answers: whether a key can be read, not merely whether something listens.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel, err := s.begin(ctx, "redis ping")
	if err != nil {
		return err
	}
	defer cancel()
	r := s.exec(ctx, []call{{op: opGet, keys: []string{s.ceilingKey()}}}, false)
	if err := r[0].Error(); err != nil && !rueidis.IsRedisNil(err) {
		return failure("redis ping", false, err)
	}
	return nil
}

// Close closes the connections.
func (s *Store) Close() error {
	s.client.Close()
	return nil
}

// ceilingKey is the one key that belongs to no user.
func (s *Store) ceilingKey() string { return s.prefix + "ceiling" }

// appendKeys appends a user's queue, state and index keys to b and returns them. They share the user's id as hash tag,
// hence a cluster's slot.
func (s *Store) appendKeys(b []byte, user protocol.UserID) ([]byte, []string) {
	keys := make([]string, 0, 3)
	for _, kind := range [...]byte{'q', 'u', 'i'} {
		start := len(b)
		b = append(b, s.prefix...)
		b = append(b, '{')
		b = user.AppendTo(b)
		b = append(b, '}', ':', kind)
		keys = append(keys, rueidis.BinaryString(b[start:len(b):len(b)]))
	}
	return b, keys
}

// keys makes the keys of one user.
func (s *Store) keys(user protocol.UserID) []string {
	_, keys := s.appendKeys(make([]byte, 0, 3*(len(s.prefix)+protocol.UserIDLen+4)), user)
	return keys
}
