package client

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// busyAttempt is the step of the backoff that a server without capacity is met with at least.
const busyAttempt = 3

// run owns the Client's connections, one after the other. It is the only goroutine that outlives a connection; Dial
// starts it and it ends with the Client.
func (c *Client) run(cn *conn) {
	for {
		err := c.serve(cn)
		if time.Since(cn.since) > c.cfg.maxDelay {
			c.attempt = 0
		}
		if cn, err = c.redial(err, cn.comeBack); err != nil {
			c.end(err)
			return
		}
	}
}

// redial returns the next connection, or why there must be none. cause is why the last one ended, comeBack when the
// server asked to be called again; 0 if it did not.
func (c *Client) redial(cause error, comeBack time.Duration) (*conn, error) {
	for {
		if c.life.Err() != nil {
			return nil, ErrClosed
		}
		if e, ok := isFinal(cause); ok {
			c.cfg.log.Warn("enigma: the server ended the connection for good", slog.String("code", e.Code))
			return nil, e
		}
		wait := c.cfg.backoff(cause, c.attempt, rand.Float64())
		if comeBack > 0 {
			wait, comeBack = spread(comeBack, rand.Float64()), 0
		}
		c.attempt++
		c.cfg.log.Info("enigma: not connected", slog.Any("cause", cause), slog.Duration("retry", wait),
			slog.Int("attempt", c.attempt))
		c.cfg.state(false)
		if !sleep(c.life, wait) {
			return nil, ErrClosed
		}
		var cn *conn
		if cn, cause = c.reconnect(); cause == nil {
			c.cfg.log.Info("enigma: connected again", slog.Bool("v1", cn.v1))
			c.adopt(cn)
			c.cfg.state(true)
			return cn, nil
		}
	}
}

func (c *Client) reconnect() (*conn, error) {
	ctx, cancel := context.WithTimeout(c.life, connectTimeout)
	defer cancel()
	return c.connect(ctx)
}

// backoff is the delay before an attempt to connect, from 0. random is in [0, 1).
func (c *config) backoff(cause error, attempt int, random float64) time.Duration {
	var e *Error
	var atLeast time.Duration
	if errors.As(cause, &e) && e.busy() {
		attempt = max(attempt, busyAttempt)
		atLeast = e.RetryAfter
	}
	d := c.minDelay
	for range attempt {
		if d >= c.maxDelay/2 {
			d = c.maxDelay
			break
		}
		d *= 2
	}
	d = d/2 + time.Duration(random*float64(d/2))
	if d < atLeast {
		d = spread(atLeast, random)
	}
	return max(d, 1)
}

// spread is a moment between d and 1.5 d: all others were told the same d.
func spread(d time.Duration, random float64) time.Duration {
	return d + time.Duration(random*float64(d/2))
}

// sleep waits for d and reports whether it could to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
