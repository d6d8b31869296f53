package transport

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// FuzzSource holds what the limits stand on: a client cannot choose the address that it is counted under. Whatever it
// writes in front of what the last proxy appended changes nothing, nor does anything from a peer that is no proxy. Exempt
// is this machine alone, and not when it speaks for others.
func FuzzSource(f *testing.F) {
	for _, seed := range []string{"", "192.0.2.1", "10.0.0.1, 127.0.0.1", "[2001:db8::1]:80", "::ffff:10.0.0.1", "unknown", ",", "fe80::1%eth0", "10.0.0.1,", "::%,"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	opts, err := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}.withDefaults()
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{opts: opts}
	local, proxy, stranger := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.7")
	with := func(peer netip.Addr, name string, headers ...string) source {
		var ctx fasthttp.RequestCtx
		ctx.Init(new(fasthttp.Request), net.TCPAddrFromAddrPort(netip.AddrPortFrom(peer, 1)), nil)
		if name == strings.ToLower(name) { // the server of somebody else may leave names as they were written
			ctx.Request.Header.DisableNormalizing()
		}
		for _, h := range headers {
			ctx.Request.Header.Add(name, h)
		}
		return s.sourceOf(&ctx)
	}
	from := func(peer netip.Addr, headers ...string) source {
		return with(peer, fasthttp.HeaderXForwardedFor, headers...)
	}
	for peer, want := range map[netip.Addr]source{local: {local, true}, proxy: {proxy, false}, stranger: {stranger, false}} {
		if got := from(peer); got != want {
			f.Errorf("%v itself is counted as %+v", peer, got)
		}
	}
	f.Fuzz(func(t *testing.T, said []byte, apart bool) {
		headers := []string{string(said) + ", " + stranger.String()}
		if apart {
			headers = []string{string(said), stranger.String()}
		}
		for _, peer := range []netip.Addr{local, proxy} {
			if got := from(peer, headers...); got != (source{addr: stranger}) {
				t.Fatalf("%q behind the proxy %v is counted as %+v", headers, peer, got)
			}
			if got := from(peer, string(said)); got.exempt {
				t.Fatalf("%q from the proxy %v is counted as %+v", said, peer, got)
			}
		}
		if got := from(stranger, string(said)); got != (source{addr: stranger}) {
			t.Fatalf("%q from a stranger is counted as %+v", said, got)
		}
		for _, name := range append(forwardingHeaders, "X-Forwarded-Port", "x-forwarded-for", "x-real-ip") {
			if got := with(local, name, string(said)); got != (source{addr: local}) {
				t.Fatalf("%s: %q is counted as %+v", name, said, got)
			}
		}
		for entry := range strings.SplitSeq(string(said), ",") {
			if hop, ok := parseHop(entry); ok && (hop.Zone() != "" || hop.Is4In6()) {
				t.Fatalf("%q is read as %v", entry, hop)
			}
		}
	})
}
