package main

import (
	"errors"
	"runtime"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/web"
)

// brokerOptions says to the broker what the configuration says.
func (s *server) brokerOptions() []actors.Option {
	c := s.cfg
	limits := protocol.DefaultLimits()
	limits.MaxMessage, limits.MailboxMessages, limits.MailboxBytes = int(c.MaxMessage), c.MailboxMessages, c.MailboxBytes
	options := []actors.Option{
		actors.WithStore(s.store),
		actors.WithLogger(s.log),
		actors.WithLimits(limits),
		actors.WithDelivery(actors.Delivery{
			ConfirmInterval: c.ConfirmInterval,
			SpillAfter:      c.SpillAfter,
			IdleTimeout:     c.IdleTimeout,
			TTL:             c.TTL,
			OutboxBytes:     int(c.OutboxBytes),
			CreditMessages:  c.CreditMessages,
			CreditBytes:     int(c.CreditBytes),
		}),
		actors.WithAuth(c.Auth),
		actors.WithMemory(c.Memory),
		actors.WithShards(shards()),
	}
	if c.EventLoop != goroutineLoops && runtime.GOOS == "linux" {
		options = append(options, actors.WithPoller(transport.NewEpoll)) // else each conn has a goroutine that reads
	}
	return options
}

// shards is how many loops there are. One core is left to the store, the kernel and the collector: a loop on each was
// measured to be slower.
func shards() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// transportOptions says to the front end what the configuration says.
func (s *server) transportOptions() transport.Options {
	c := s.cfg
	return transport.Options{
		Version:        buildVersion(),
		Origins:        c.Origins,
		PublicHosts:    c.Hosts,
		RateLogins:     orOff(c.RateLogins),
		RateMessages:   orOff(c.RateMessages),
		MaxConns:       s.maxConns(),
		MaxConnsPerIP:  c.MaxConnsPerIP,
		TrustedProxies: c.TrustedProxy,
		// A quarter of what all mail may take, which it counts to: or half-sent messages alone could use that up, and then
		// nobody's are read.
		HoldBytes: min(256<<20, max(c.Memory/4/int64(shards()), 4*c.MaxMessage)),
		Page:      web.New(),
		Log:       s.log,
	}
}

// maxConns is how many connections there may be.
func (s *server) maxConns() int {
	if s.cfg.MaxConns > 0 {
		return s.cfg.MaxConns
	}
	return s.files.conns()
}

// The event loops there are to choose from, beside auto.
const (
	epollLoops     = "epoll"
	goroutineLoops = "goroutines"
)

// parseEventLoop takes what --event-loop may say.
func parseEventLoop(text string) (string, error) {
	choice, err := settings.OneOf("auto", epollLoops, goroutineLoops)(text)
	if err == nil && choice == epollLoops && runtime.GOOS != "linux" {
		return "", errors.New("epoll is Linux's: write auto or goroutines")
	}
	return choice, err
}

// orOff turns a rate of 0, no bound, into what the front end takes for that; its own 0 is the default.
func orOff(rate int) int {
	if rate == 0 {
		return -1
	}
	return rate
}
