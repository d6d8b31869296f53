package transport

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// source is where a request came from, as far as the limits are concerned.
type source struct {
	addr   netip.Addr // the first address of a /64 for IPv6; invalid for sockets without addresses
	exempt bool       // loopback that is no proxy
}

// sourceOf finds the source of a request.
func (s *Server) sourceOf(ctx *fasthttp.RequestCtx) source {
	peer := addrOf(ctx.RemoteAddr())
	if !s.trusted(peer) {
		return source{addr: aggregate(peer)}
	}
	h := &ctx.Request.Header
	if !forwarded(h) {
		return source{addr: aggregate(peer), exempt: local(peer)}
	}
	headers := h.PeekAll(fasthttp.HeaderXForwardedFor)
	for i := len(headers) - 1; i >= 0; i-- {
		hops := strings.Split(string(headers[i]), ",")
		for j := len(hops) - 1; j >= 0; j-- {
			hop, ok := parseHop(hops[j])
			if !ok {
				return source{addr: aggregate(peer)} // what stands left of nonsense is hearsay
			}
			if peer = hop; !s.trusted(hop) {
				return source{addr: aggregate(hop)}
			}
		}
	}
	return source{addr: aggregate(peer)}
}

// forwarded reports whether a request says that it has come through a proxy.
func forwarded(h *fasthttp.RequestHeader) bool {
	for name := range h.All() {
		if isForwarding(name) {
			return true
		}
	}
	return false
}

// isForwarding reports whether a header, in whatever case, is one that proxies add. X-Forwarded-For is believed, the
// others only give a proxy away.
func isForwarding(name []byte) bool {
	const family = len("X-Forwarded-")
	if len(name) > family && bytes.EqualFold(name[:family], []byte("X-Forwarded-")) {
		return true
	}
	for _, other := range forwardingHeaders {
		if len(name) == len(other) && bytes.EqualFold(name, []byte(other)) {
			return true
		}
	}
	return false
}

// forwardingHeaders are those whose name does not begin with X-Forwarded-.
var forwardingHeaders = []string{fasthttp.HeaderForwarded, fasthttp.HeaderVia, "X-Real-IP", "X-Client-IP", "True-Client-IP",
	"X-Cluster-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "X-Envoy-External-Address"}

// trusted reports whether an address is a proxy that is believed.
func (s *Server) trusted(addr netip.Addr) bool {
	if local(addr) {
		return true
	}
	for _, prefix := range s.opts.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// local reports whether the address is this machine's own; a socket without addresses is a Unix one.
func local(addr netip.Addr) bool { return !addr.IsValid() || addr.IsLoopback() }

// parseHop reads one entry of X-Forwarded-For: an address, with a port or brackets in the dialect of some proxies.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}

func addrOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// aggregate cuts an IPv6 address to its network, for whoever has one address of a /64 has them all.
func aggregate(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, _ := addr.Prefix(64)
	return prefix.Addr()
}

// connCounts counts the open connections of each source. An address is in it only while it has some.
type connCounts struct {
	limit int // per source, at least 1; none if negative

	mu     sync.Mutex
	counts map[netip.Addr]*connCount // guarded by mu
}

// connCount is what the connections of one source hold.
type connCount struct {
	addr netip.Addr
	open int // guarded by the table's mu
}

// acquire counts a connection. It returns nil if the source has as many as it may have.
func (t *connCounts) acquire(addr netip.Addr) *connCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[addr]
	if c == nil {
		c = &connCount{addr: addr}
		t.counts[addr] = c
	}
	if t.limit > 0 && c.open >= t.limit {
		return nil
	}
	c.open++
	return c
}

// full reports whether acquire would fail.
func (t *connCounts) full(addr netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[addr]
	return c != nil && t.limit > 0 && c.open >= t.limit
}

// release takes back what acquire counted; nil is nothing.
func (t *connCounts) release(c *connCount) {
	if c == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.open--; c.open == 0 {
		delete(t.counts, c.addr)
	}
}

// maxRateSources bounds the addresses that a rateTable tells apart. Those that come when it is full share one bucket.
const maxRateSources = 1 << 16

// rateTable limits the events per second of each source, with as many in a burst. What it knows of a source is the time
// at which its bucket will be full again (the generic cell rate algorithm), so a source that was silent for a second can
// be forgotten: the table has two generations and drops the older one each second.
type rateTable struct {
	rate int // at least 1; no limit if negative

	mu     sync.Mutex
	young  map[netip.Addr]time.Duration // guarded by mu
	old    map[netip.Addr]time.Duration // guarded by mu
	turned time.Duration                // guarded by mu: when young was begun
}

// allow counts an event at the time now and reports whether it is within the limit.
func (t *rateTable) allow(addr netip.Addr, now time.Duration) bool {
	if t.rate < 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now-t.turned >= time.Second {
		t.old, t.young, t.turned = t.young, make(map[netip.Addr]time.Duration), now
	}
	full, known := t.young[addr]
	if !known {
		if full, known = t.old[addr]; !known && len(t.young) >= maxRateSources {
			addr = netip.Addr{}
			full = t.young[addr]
		}
	}
	var ok bool
	full, ok = take(full, now, t.rate)
	t.young[addr] = full
	return ok
}

// take takes one from a bucket of rate, refilled at rate per second, that is full again at the time full. It returns the
// new time, and whether there was one to take.
func take(full, now time.Duration, rate int) (time.Duration, bool) {
	interval := time.Second / time.Duration(rate)
	full = max(full, now)
	if full-now > time.Second-interval {
		return full, false
	}
	return full + interval, true
}
