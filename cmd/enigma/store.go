package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/embedded"
	"github.com/enigma-protocol/enigma/persistence/redis"
	"github.com/enigma-protocol/enigma/persistence/storetest/memory"
)

// storeKind is one of the stores there are.
type storeKind string

const (
	storeMemory   storeKind = "memory"
	storeEmbedded storeKind = "embedded"
	storeRedis    storeKind = "redis"
)

// storeURL says which store to use and where it is.
type storeURL struct {
	kind  storeKind
	where string // embedded: a directory; redis: the whole URL, which may hold a password
}

// String is fit for a log: without user, password and parameters.
func (s storeURL) String() string {
	switch s.kind {
	case storeMemory:
		return "memory"
	case storeEmbedded:
		return s.where
	}
	// Not url.Redacted: url.Parse knows no URL with several hosts.
	scheme, rest, _ := strings.Cut(s.where, "://")
	authority, tail, _ := strings.Cut(rest, "/")
	hosts := authority[strings.LastIndexByte(authority, '@')+1:]
	tail, _, _ = strings.Cut(tail, "?")
	return strings.TrimSuffix(scheme+"://"+hosts+"/"+tail, "/")
}

var redisSchemes = []string{"redis", "rediss", "redis+sentinel", "rediss+sentinel"}

const storeChoices = "a directory such as ./enigma-data, redis://HOST:PORT, rediss://HOST:PORT, redis+sentinel://HOST:PORT/MASTER, or memory"

// parseStore takes what --store may say. It errs on the side of asking: a slip in a URL must not become a directory.
func parseStore(text string) (storeURL, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	switch {
	case text == "":
		return storeURL{}, fmt.Errorf("no store: write %s", storeChoices)
	case text == "memory":
		return storeURL{kind: storeMemory}, nil
	case isURL && slices.Contains(redisSchemes, scheme):
		// The URL itself is the store's to read; it may hold a password, so no error repeats it.
		return storeURL{storeRedis, text}, nil
	case isURL:
		return storeURL{}, fmt.Errorf("no store is called %q: write %s", scheme, storeChoices)
	case text == "redis" || strings.HasPrefix(text, "redis:") || strings.HasPrefix(text, "rediss:"):
		return storeURL{}, errors.New("a Redis is named by its URL: write redis://HOST:PORT, such as redis://127.0.0.1:6379, or ./redis for a directory of that name")
	}
	if _, _, err := net.SplitHostPort(text); err == nil && !strings.ContainsRune(text, filepath.Separator) {
		return storeURL{}, fmt.Errorf("%q looks like an address: write redis://%s, or ./%s for a directory of that name", text, text, text)
	}
	if info, err := os.Stat(text); err == nil && !info.IsDir() {
		return storeURL{}, fmt.Errorf("%q is a file: write the name of a directory, which need not exist yet", text)
	}
	return storeURL{storeEmbedded, text}, nil
}

// openStore opens the configured store, which is to open no more than so many files (0: it knows itself). failed is
// called, at most once, if it breaks for good while in use.
func openStore(ctx context.Context, c *Config, files int, log *slog.Logger, failed func(error)) (actors.Store, error) {
	quota := persistence.Quota{Messages: c.MailboxMessages, Bytes: c.MailboxBytes}
	switch c.Store.kind {
	case storeMemory:
		log.Warn("the store is memory: keys and undelivered messages are lost when the server stops")
		return memory.New(quota), nil
	case storeRedis:
		store, err := redis.Open(ctx, c.Store.where, redis.Options{Quota: quota, Logger: log})
		if err != nil {
			return nil, redisError(err)
		}
		return store, nil
	}
	store, err := embedded.Open(c.Store.where, embedded.Options{Quota: quota, MinFree: c.MinFree, MaxFiles: files, Logger: log, Failed: failed})
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	return store, nil
}

// redisError tells a Redis that is away, which may come back by the next start, from a URL that will never do.
func redisError(err error) error {
	err = fmt.Errorf("--store: %w", err)
	if errors.Is(err, persistence.ErrUnavailable) || errors.Is(err, persistence.ErrUnknownOutcome) {
		return err
	}
	return usageError{fmt.Errorf("%w: write redis://[USER:PASSWORD@]HOST:PORT", err)}
}
