package transport

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/web"
)

// Options configure a [Server]. The zero value is a server that serves every origin with the default limits. Where a
// number's zero stands for its default, a negative one switches the limit off.
type Options struct {
	// Version is what GET /version tells.
	Version string
	// Prefix is the path below which the server answers, such as "/broker"; empty for the root.
	Prefix string
	// Origins are the web origins that may use the server, as browsers write them: "https://example.com". Empty, or one
	// of them "*", means every origin. Requests without an Origin header do not come from a page and are let through.
	Origins []string
	// PublicHosts are the hosts that clients dial, with a port unless it is 80 or 443: "chat.example". A proof of key
	// possession counts on a connection whose Host is one of them; with exactly one it is taken for the Host of all, whatever
	// a proxy has made of that. With none, the Host of the request is believed, and a proof does not protect against a
	// server that passes on what it is told.
	//
	// A listener that is bound to loopback answers to these, to the hosts of Origins, to localhost and the names below it,
	// and to loopback addresses; requests that name another host are refused, unless a forwarding header shows that a proxy
	// wrote it, and there is exactly one public host, or every origin is allowed.
	PublicHosts []string
	// Page is what browsers get at GET /, and below /web/ what belongs to it; nil for none.
	Page *web.Site

	// RateLogins bounds the logins of one source address per second, with as many in a burst. Default 20.
	RateLogins int
	// RateMessages bounds the messages of one conn per second, with as many in a burst. Default 2,000.
	RateMessages int
	// MaxConns bounds the open connections of all sources together, upgraded or not; more are answered 503. Each takes
	// a file descriptor, and the store needs some too. Default no bound.
	MaxConns int
	// MaxConnsPerIP bounds the open connections of one source address, upgraded or not. Default 10,000.
	MaxConnsPerIP int
	// HoldBytes bounds the memory for messages that have come in part, on each shard. When more comes, the conns whose
	// messages have been under way longest are closed with 1013. Default 256 MiB.
	HoldBytes int64
	// TrustedProxies are the networks whose X-Forwarded-For is believed. Loopback always is one of them.
	//
	// The source address of a request is the peer's or, when that is a trusted proxy, the last one in X-Forwarded-For
	// that is none. IPv6 sources are told apart by their first 64 bits. Loopback itself is exempt from all limits, unless
	// a forwarding header shows that it is a proxy: X-Forwarded-For or one of its family, Forwarded, Via, or one in which
	// some proxy names its client, such as X-Real-IP.
	TrustedProxies []netip.Prefix

	// ReadTimeout bounds how long a client may take to send one request. Default 10 s.
	ReadTimeout time.Duration
	// IdleTimeout bounds how long an HTTP connection may wait between requests. Default 60 s.
	IdleTimeout time.Duration
	// WriteTimeout bounds how long a client may take to read an answer. Default 30 s.
	WriteTimeout time.Duration
	// FrameTimeout bounds how long a client may take from the first byte of a message to its last. Default 30 s.
	FrameTimeout time.Duration
	// SendBuffer is the size of a conn's send buffer in the kernel (SO_SNDBUF), in bytes: it bounds what is on its way to a
	// client. On Linux no more than 16 KiB of it wait to be sent (TCP_NOTSENT_LOWAT), beside the rest of a write, so that
	// clients that do not read leave the kernel's memory to others. Default 128 KiB.
	SendBuffer int
	// ReceiveBuffer is the size of a conn's receive buffer in the kernel (SO_RCVBUF), in bytes: it bounds what a client has
	// written and the server does not read yet, because the conn is paused. A small one loses packets of clients that send
	// many short ones, for each takes its share. Default 128 KiB.
	ReceiveBuffer int

	// proofTimeout bounds how long a client may take to answer a challenge. The wire contract says 10 s, so it is no option
	// but to tests.
	proofTimeout time.Duration
	// now is the clock of challenges.
	now func() time.Time
	// maxHTTPConns bounds the connections that speak HTTP; only tests change it.
	maxHTTPConns int

	// Log takes what an operator has to know. No key, id, path, payload or address of a client goes there, at whatever
	// level. Default slog.Default.
	Log *slog.Logger
}

// withDefaults returns the options with every field set, or an error that says what to write instead.
func (o Options) withDefaults() (Options, error) {
	if o.Prefix != "" && (!strings.HasPrefix(o.Prefix, "/") || strings.HasSuffix(o.Prefix, "/")) {
		return o, fmt.Errorf("prefix %q: write it with a slash in front and none at its end, such as \"/broker\"", o.Prefix)
	}
	origins, err := normalizeOrigins(o.Origins)
	if err != nil {
		return o, err
	}
	o.Origins = origins
	if o.PublicHosts, err = normalizeHosts(o.PublicHosts); err != nil {
		return o, err
	}
	orInt(&o.RateLogins, 20)
	orInt(&o.RateMessages, 2000)
	orInt(&o.MaxConnsPerIP, 10_000)
	orInt(&o.SendBuffer, 128<<10)
	orInt(&o.ReceiveBuffer, 128<<10)
	orDuration(&o.ReadTimeout, 10*time.Second)
	orDuration(&o.IdleTimeout, 60*time.Second)
	orDuration(&o.WriteTimeout, 30*time.Second)
	orDuration(&o.FrameTimeout, 30*time.Second)
	orDuration(&o.proofTimeout, 10*time.Second)
	orInt(&o.maxHTTPConns, maxHTTPConns)
	if o.HoldBytes == 0 {
		o.HoldBytes = 256 << 20
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

func orInt(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

func orDuration(field *time.Duration, value time.Duration) {
	if *field == 0 {
		*field = value
	}
}

// normalizeHosts returns the hosts in the form that a proof is bound to.
func normalizeHosts(hosts []string) ([]string, error) {
	var list []string
	for _, host := range hosts {
		authority, ok := protocol.Authority(host)
		if !ok {
			return nil, fmt.Errorf("public host %q: write what clients dial, such as \"chat.example\" or \"chat.example:8443\"", host)
		}
		if !slices.Contains(list, authority) {
			list = append(list, authority)
		}
	}
	return list, nil
}

// normalizeOrigins returns the origins in lower case, nil if every origin is allowed.
func normalizeOrigins(origins []string) ([]string, error) {
	var list []string
	for _, origin := range origins {
		if origin == "*" {
			return nil, nil
		}
		scheme, host, ok := strings.Cut(origin, "://")
		if !ok || scheme == "" || host == "" || strings.ContainsAny(host, "/?# ") {
			return nil, fmt.Errorf("origin %q: %w", origin, errOrigin)
		}
		list = append(list, strings.ToLower(origin))
	}
	return list, nil
}

var errOrigin = errors.New(`write scheme and host, such as "https://example.com", or "*" for all`)
